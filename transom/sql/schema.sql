-- The whole schema, the truth; migrations/ is proved to end here.
--
-- Written in PostgreSQL's words; sql/sqlite/ lists the few that SQLite spells otherwise. Times are integer
-- microseconds since the epoch, UTC. Text that is compared or sorted is so bytewise (collate "C"), alike in
-- both databases. Deleting deletes.

create table image (
    id text collate "C" primary key,
    owner text collate "C",
    name text collate "C",
    status text collate "C" not null,
    visibility text collate "C" not null,
    container_format text collate "C",
    disk_format text collate "C",
    min_disk bigint not null,
    min_ram bigint not null,
    protected boolean not null,
    os_hidden boolean not null,
    size bigint,
    virtual_size bigint,
    checksum text collate "C",
    os_hash_algo text collate "C",
    os_hash_value text collate "C",
    -- JSON beside the row rather than rows in tables of their own: one statement reads an image whole.
    tags jsonb not null,
    properties jsonb not null,
    locations jsonb not null,
    created_at bigint not null,
    updated_at bigint not null,
    -- When it became active first; null before, and of images that were so before this column was.
    active_at bigint
);

-- Each serves one range of the list a caller sees, in list order, and that range only (see sql/listing.py).
create index image_by_owner on image (owner, created_at, id);
create index image_shared_by_owner on image (owner, created_at, id) where visibility = 'shared';
create index image_public on image (created_at, id) where visibility = 'public';
create index image_community on image (created_at, id) where visibility = 'community';
-- True of each image, and asked for by nobody but who wants them all: a planner that knows nothing of a project
-- might else look for its images here, and read everybody's.
create index image_by_age on image (created_at, id) where id <> '';

-- A deleted image's id is never given to another image, so that whoever kept the id never meets a stranger's.
create table deleted_image (
    id text collate "C" primary key,
    deleted_at bigint not null
);

create table member (
    image_id text collate "C" not null references image (id) on delete cascade,
    -- A project's id, or `domain/` and a domain's: an id with a slash is never a project's.
    member_id text collate "C" not null,
    status text collate "C" not null,
    -- A copy of a value that never changes, so that a recipient's list is one range of the index below.
    image_created_at bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    -- The backup vault a recipient named; only for images made from backups.
    vault_id text collate "C",
    primary key (image_id, member_id)
);

create index member_by_project on member (member_id, status, image_created_at, image_id);

-- How many recipients an image has, null when it is not shared (any more): counted behind the image's lock, so
-- that offers made at once do not find the same place free. In a function of this kind each statement sees
-- what was committed before it; in one statement the count would be as old as the statement. SQLite writes one
-- at a time and needs none of it.
create function recipients_of(wanted text) returns bigint language plpgsql as $$
begin
    perform from image where id = wanted and visibility = 'shared' for update;
    if not found then
        return null;
    end if;
    return (select count(*) from member where image_id = wanted);
end
$$;

-- Bytes in a store that no image owns: on their way in (a worker holds the row) or on their way out. The row
-- is there before the first byte and goes after the last one, so that a crash leaves nothing unknown behind.
create table loose_blob (
    key text collate "C" primary key,
    store text collate "C" not null,
    -- The image that is `saving` because of these bytes; null once they only wait for removal.
    image_id text collate "C",
    -- The worker that moves the bytes, null when nobody does; after `held_until` it counts as dead.
    holder text collate "C",
    held_until bigint not null,
    -- How many bytes of the owner's quota are kept for these, as long as somebody holds them.
    owner text collate "C",
    reserved bigint not null default 0
);

create index loose_blob_by_owner on loose_blob (owner) where owner is not null;

-- Bytes that were staged for an image that is `uploading` or `importing`. They are somebody's only as long as
-- this row is there; whatever deletes it makes them a loose blob in the same transaction.
create table staged_blob (
    image_id text collate "C" primary key,
    key text collate "C" not null,
    store text collate "C" not null,
    size bigint not null,
    -- How many of the configured import plugins have worked on them.
    plugins_done bigint not null
);

-- What was asked for as a job and how it ended. A batch of shares is written here whole, in the transaction
-- that does it; a job that takes time is held by the worker that runs it.
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
    held_until bigint not null,
    -- Of tasks of the Image API: what they are about, who asked for them and by which request, when they last
    -- told how far they are, and in which words.
    image_id text collate "C",
    user_id text collate "C",
    request_id text collate "C",
    told_at bigint,
    message text collate "C",
    -- What the job needs to act for who asked for it. Shown to nobody, and gone when the job ends.
    credential text collate "C"
);

create index job_by_end on job (end_at);
create index job_by_image on job (image_id, begin_at, id) where image_id is not null;

-- Metadata definitions. Who names one says the name of its namespace; the rows say its id, which no renaming
-- changes.
create table metadef_namespace (
    id text collate "C" primary key,
    namespace text collate "C" not null unique,
    display_name text collate "C",
    description text collate "C",
    visibility text collate "C" not null,
    protected boolean not null,
    owner text collate "C" not null,
    created_at bigint not null,
    updated_at bigint not null
);

-- Each serves the list of namespaces as one caller sees it (see sql/metadefs.py).
create index metadef_namespace_by_age on metadef_namespace (created_at, namespace);
create index metadef_namespace_by_owner on metadef_namespace (owner, created_at, namespace);

-- What namespaces hold: objects, properties, tags, and the resource types they are for.
create table metadef_item (
    namespace_id text collate "C" not null references metadef_namespace (id) on delete cascade,
    kind text collate "C" not null,
    name text collate "C" not null,
    -- JSON, kept as it was written: nothing looks into it, and clients show its keys in this order.
    body text collate "C" not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (namespace_id, kind, name)
);

-- Every type that a namespace was ever associated with, and those that OpenStack's own catalogue knows.
create table metadef_resource_type (
    name text collate "C" primary key,
    created_at bigint not null,
    updated_at bigint not null
);

insert into metadef_resource_type (name, created_at, updated_at) values
    ('OS::Cinder::Volume', 1795564800000000, 1795564800000000),
    ('OS::Glance::Image', 1795564800000000, 1795564800000000),
    ('OS::Nova::Aggregate', 1795564800000000, 1795564800000000),
    ('OS::Nova::Flavor', 1795564800000000, 1795564800000000),
    ('OS::Nova::Server', 1795564800000000, 1795564800000000),
    ('OS::Trove::Instance', 1795564800000000, 1795564800000000);

-- Which database this is, in one row. A copy of it lives elsewhere, finds that `place` is not its own, and takes
-- another id (see sql/owners.py).
create table database_id (
    one bigint primary key check (one = 1),
    id text collate "C" not null,
    place text collate "C" not null,
    -- The id of the database that this one was copied from, if it was.
    copied_from text collate "C"
);

-- The stores that were marked as this database's. One that has lost its mark since is not the store it was.
create table owned_store (
    store text collate "C" primary key
);
