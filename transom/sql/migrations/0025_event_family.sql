create index event_within_family on event (family_id, seq) where family_id is not null;
create index event_to_members on event (family_id, seq) where family_id is not null and member_id is null;
drop index event_by_family;
drop index event_of_family;
