alter table image add column active_at bigint;
