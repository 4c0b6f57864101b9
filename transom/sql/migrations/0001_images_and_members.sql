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
    updated_at bigint not null
);

-- Each serves one range of the list a caller sees, in list order (see sql/listing.py).
create index image_by_owner on image (owner, created_at, id);
create index image_by_age on image (created_at, id);
create index image_for_everybody on image (visibility, created_at, id)
    where visibility in ('public', 'community');

-- A deleted image's id is never given to another image, so that whoever kept the id never meets a stranger's.
create table deleted_image (
    id text collate "C" primary key,
    deleted_at bigint not null
);

create table member (
    image_id text collate "C" not null references image (id) on delete cascade,
    member_id text collate "C" not null,
    status text collate "C" not null,
    -- A copy of a value that never changes, so that a recipient's list is one range of the index below.
    image_created_at bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (image_id, member_id)
);

create index member_by_project on member (member_id, status, image_created_at, image_id);

-- Bytes in a store that no image owns: on their way in (a worker holds the row) or on their way out. The row
-- is there before the first byte and goes after the last one, so that a crash leaves nothing unknown behind.
create table loose_blob (
    key text collate "C" primary key,
    store text collate "C" not null,
    -- The image that is `saving` because of these bytes; null once they only wait for removal.
    image_id text collate "C",
    -- The worker that moves the bytes, null when nobody does; after `held_until` it counts as dead.
    holder text collate "C",
    held_until bigint not null
);
