create index member_inbox on member (member_id, status, coalesce(offered_at, created_at), image_id);
create index member_by_end on member (ends_at) where ends_at < 4611686018427387904;
create index member_by_family on member (family_id, member_id) where family_id is not null;
