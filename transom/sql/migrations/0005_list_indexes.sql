drop index image_by_age;
drop index image_for_everybody;
create index image_by_age on image (created_at, id) where id <> '';
create index image_shared_by_owner on image (owner, created_at, id) where visibility = 'shared';
create index image_public on image (created_at, id) where visibility = 'public';
create index image_community on image (created_at, id) where visibility = 'community';
