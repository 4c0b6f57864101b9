alter table member add column vault_id text collate "C";

create table job (
    id text collate "C" primary key,
    kind text collate "C" not null,
    project_id text collate "C" not null,
    status text collate "C" not null,
    -- What was asked for, in the shape that `kind` has.
    input jsonb not null,
    -- What could not be done, and why: [image id or null, member id or null, reason, text] each.
    failures jsonb not null,
    begin_at bigint not null,
    end_at bigint,
    -- How much is done, percent.
    progress bigint not null,
    -- How often it was begun: a job that kills its workers is not begun for ever.
    attempts bigint not null,
    -- The worker that runs it, null when nobody does; after `held_until` it counts as dead.
    holder text collate "C",
    held_until bigint not null
);

create index job_by_end on job (end_at);

create function recipients_of(wanted text) returns bigint language plpgsql as $$
begin
    perform from image where id = wanted and visibility = 'shared' for update;
    if not found then
        return null;
    end if;
    return (select count(*) from member where image_id = wanted);
end
$$;
