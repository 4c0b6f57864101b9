create table staged_blob (
    image_id text collate "C" primary key,
    key text collate "C" not null,
    store text collate "C" not null,
    size bigint not null,
    -- How many of the configured import plugins have worked on them.
    plugins_done bigint not null
);

alter table job add column image_id text collate "C";
alter table job add column user_id text collate "C";
alter table job add column request_id text collate "C";
alter table job add column told_at bigint;
alter table job add column message text collate "C";
alter table job add column credential text collate "C";

create index job_by_image on job (image_id, begin_at, id) where image_id is not null;
