-- How many events each project has caused on a day (UTC), as far as they have their numbers.
create table event_count (
    project_id text collate "C" not null,
    -- Days since the epoch.
    day bigint not null,
    events bigint not null,
    primary key (project_id, day)
);

create index event_count_by_day on event_count (day, events);
