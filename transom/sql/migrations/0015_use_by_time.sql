-- How many projects use an image of late, and when it was used last.
create index image_use_by_time on image_use (image_id, last_used_at);
