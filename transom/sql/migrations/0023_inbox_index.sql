create index member_received
    on member (member_id, status, coalesce(offered_at, created_at), image_id, ends_at, is_asleep)
    where not is_asleep;
drop index member_inbox;
