create index event_of_family on event (family_id, seq) where member_id is null;
create index family_audience_closed on family_audience (to_seq) where to_seq is not null;
