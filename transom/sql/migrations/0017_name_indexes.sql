create index image_by_name_and_owner on image (name, owner, created_at, id) where name is not null;
create index image_public_by_name on image (name, created_at, id)
    where visibility = 'public' and name is not null;
create index image_community_by_name on image (name, created_at, id)
    where visibility = 'community' and name is not null;
create index image_by_name on image (name, created_at, id) where id <> '' and name is not null;
