-- A reader passes by the families that it left before its place in the feed, however many they are.
create index family_audience_by_end on family_audience (member_id, coalesce(to_seq, 4611686018427387904));
drop index family_audience_by_member;
