create table database_id (
    one bigint primary key check (one = 1),
    id text collate "C" not null,
    place text collate "C" not null,
    copied_from text collate "C"
);

create table owned_store (
    store text collate "C" primary key
);
