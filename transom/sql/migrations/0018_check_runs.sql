-- What was found by comparing the database with the stores: by `transom check`, and in the background.
create table check_run (
    name text collate "C" primary key,
    -- The worker that compares in the background; after `held_until` it counts as dead.
    holder text collate "C",
    held_until bigint not null default 0,
    -- Of the run under way, or of the last one: all images up to this id were compared, `~` when all were.
    position text collate "C" not null default '',
    began_at bigint not null default 0,
    -- Earlier than `began_at` while it is under way.
    finished_at bigint not null default 0,
    images bigint not null default 0,
    -- How many faults of each kind.
    faults jsonb not null default '{}',
    -- The same of the last run that came to its end.
    last_faults jsonb not null default '{}'
);

insert into check_run (name) values ('check'), ('scrub');
