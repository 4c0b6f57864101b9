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
-- The predicate is always true; it keeps the planner from using this index for the list of one project, which
-- would read everybody's images.
create index image_by_age on image (created_at, id) where id <> '';
-- The same ranges of the images with one name. The last is for who wants them all, and for recipients of much.
-- `name is not null` follows from a name that is sought, so that no other list can use them (decision 0013).
create index image_by_name_and_owner on image (name, owner, created_at, id) where name is not null;
create index image_public_by_name on image (name, created_at, id)
    where visibility = 'public' and name is not null;
create index image_community_by_name on image (name, created_at, id)
    where visibility = 'community' and name is not null;
create index image_by_name on image (name, created_at, id) where id <> '' and name is not null;

-- What images are found by when a tag is sought: each tag as the IMS API keeps it (`key=value`), and its key;
-- and copies of what the ranges and the order of a list are made of (see sql/listing.py). Triggers keep it, also
-- for workers of the release before this table. An image without tags has no row, and costs nothing.
create table image_tag (
    image_id text collate "C" not null,
    word text collate "C" not null,
    owner text collate "C",
    visibility text collate "C" not null,
    created_at bigint not null,
    primary key (image_id, word)
);

create index image_tag_by_owner on image_tag (word, owner, created_at, image_id);
create index image_tag_by_visibility on image_tag (word, visibility, created_at, image_id);

-- What `image_tag` is to hold; `tag.value` is split as `parse_tag` of domain/tags.py does it.
create view image_word as
    select distinct pair.image_id,
           case when form.has_value = 0 or pair.value = '' then pair.key
                else pair.key || '=' || pair.value end as word,
           pair.owner, pair.visibility, pair.created_at
    from (
        select image.id as image_id, image.owner, image.visibility, image.created_at,
               case when strpos(tag.value, '=') > 1 then substr(tag.value, 1, strpos(tag.value, '=') - 1)
                    when strpos(tag.value, '=') = 0 and strpos(tag.value, '.') > 1
                    then substr(tag.value, 1, strpos(tag.value, '.') - 1)
                    else tag.value end as key,
               case when strpos(tag.value, '=') > 1 then substr(tag.value, strpos(tag.value, '=') + 1)
                    when strpos(tag.value, '=') = 0 and strpos(tag.value, '.') > 1
                    then substr(tag.value, strpos(tag.value, '.') + 1)
                    else '' end as value
        from image cross join jsonb_array_elements_text(image.tags) as tag
    ) as pair
    cross join (select 0 as has_value union all select 1) as form;

create function write_image_tags() returns trigger language plpgsql as $$
begin
    delete from image_tag where image_id = new.id;
    insert into image_tag (image_id, word, owner, visibility, created_at)
    select image_id, word, owner, visibility, created_at from image_word where image_id = new.id;
    return null;
end
$$;

create function delete_image_tags() returns trigger language plpgsql as $$
begin
    delete from image_tag where image_id = old.id;
    return null;
end
$$;

create trigger image_tags_made after insert on image for each row
    when (new.tags <> '[]') execute function write_image_tags();
create trigger image_tags_changed after update of tags, owner, visibility on image for each row
    when (new.tags <> old.tags
          or (new.tags <> '[]'
              and (new.visibility <> old.visibility or coalesce(new.owner, '') <> coalesce(old.owner, ''))))
    execute function write_image_tags();
create trigger image_tags_gone after delete on image for each row
    when (old.tags <> '[]') execute function delete_image_tags();

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
    -- When this offer was made, or made again; null of rows from before this column: as `created_at`.
    offered_at bigint,
    -- The user who made it; null from before this column, or by a family.
    offered_by text collate "C",
    -- When the recipient last answered; null while nobody has.
    answered_at bigint,
    -- From the owner to the recipient. Text, never interpreted.
    message text collate "C",
    -- From then on this row counts as absent; 2^62 for never, so that no comparison has to ask for null.
    ends_at bigint not null default 4611686018427387904,
    -- The end of the share: what `ends_at` becomes when the offer is answered.
    expires_at bigint not null default 4611686018427387904,
    -- The family that brought it; null: it was given directly.
    family_id text collate "C",
    -- A copy of what its image says: true while the image is not shared, or is the member's own. Such a
    -- membership gives nothing, and is in no inbox. A trigger keeps it.
    is_asleep boolean not null default false,
    primary key (image_id, member_id)
);

create index member_by_project on member (member_id, status, image_created_at, image_id);
-- An inbox, in its order. The last two are for counts, which so read nothing else.
create index member_received
    on member (member_id, status, coalesce(offered_at, created_at), image_id, ends_at, is_asleep)
    where not is_asleep;
create index member_by_end on member (ends_at) where ends_at < 4611686018427387904;
create index member_by_family on member (family_id, member_id) where family_id is not null;

create function wake_members() returns trigger language plpgsql as $$
begin
    update member set is_asleep = (new.visibility <> 'shared' or coalesce(member_id = new.owner, false))
    where image_id = new.id
      and is_asleep <> (new.visibility <> 'shared' or coalesce(member_id = new.owner, false));
    return null;
end
$$;

create trigger members_waked after update of owner, visibility on image for each row
    when (new.visibility <> old.visibility or coalesce(new.owner, '') <> coalesce(old.owner, ''))
    execute function wake_members();

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

-- The same without those whose end has come (`now_us`: microseconds). The former stays for workers of the
-- release before this function.
create function live_recipients_of(wanted text, now_us bigint) returns bigint language plpgsql as $$
begin
    perform from image where id = wanted and visibility = 'shared' for update;
    if not found then
        return null;
    end if;
    return (select count(*) from member where image_id = wanted and ends_at > now_us);
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

-- Metadata definitions. Requests name a namespace; rows refer to it by its id, which no renaming changes.
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

-- A family of images: versions of which one is current, and members who get the current one.
create table family (
    id text collate "C" primary key,
    owner text collate "C" not null,
    name text collate "C" not null,
    title text collate "C",
    description text collate "C",
    support_url text collate "C",
    -- The number of the current version; null when none is promoted.
    current_number bigint,
    -- The highest number ever given to a version. Numbers are not given twice.
    last_number bigint not null default 0,
    -- Until when the owner means to provide versions. Informs only.
    provided_until bigint not null default 4611686018427387904,
    created_at bigint not null,
    updated_at bigint not null,
    unique (owner, name)
);

create table family_version (
    family_id text collate "C" not null references family (id) on delete cascade,
    number bigint not null,
    image_id text collate "C" not null unique references image (id) on delete cascade,
    name text collate "C",
    notes text collate "C",
    published_at bigint not null,
    -- When it became current first; null of a candidate.
    promoted_at bigint,
    -- Informs only.
    end_of_life bigint not null default 4611686018427387904,
    -- When it is to be revoked.
    revoke_at bigint not null default 4611686018427387904,
    revoked_at bigint,
    revoke_reason text collate "C",
    -- What `os_hidden` of its image was before the image became a version.
    was_hidden boolean not null,
    -- Whether its revocation deactivated the image, which only then is active again when it is restored.
    has_deactivated boolean not null default false,
    primary key (family_id, number)
);

create index family_version_by_revoke on family_version (revoke_at)
    where revoked_at is null and revoke_at < 4611686018427387904;

-- Who a family was offered to: the same shape as `member`.
create table family_member (
    family_id text collate "C" not null references family (id) on delete cascade,
    member_id text collate "C" not null,
    status text collate "C" not null,
    -- The status that memberships of new versions get: accepted, or pending to be asked each time.
    new_versions text collate "C" not null default 'accepted',
    offered_at bigint not null,
    offered_by text collate "C",
    answered_at bigint,
    message text collate "C",
    ends_at bigint not null default 4611686018427387904,
    expires_at bigint not null default 4611686018427387904,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (family_id, member_id)
);

create index family_member_inbox on family_member (member_id, status, offered_at, family_id);
create index family_member_by_end on family_member (ends_at) where ends_at < 4611686018427387904;

-- The first status of new offers to a project, by who offers: the id of a project, `domain/` and a domain's, or
-- `*` for everybody else.
create table share_rule (
    project_id text collate "C" not null,
    publisher text collate "C" not null,
    answer text collate "C" not null,
    updated_at bigint not null,
    updated_by text collate "C",
    primary key (project_id, publisher)
);

-- Events as the requests' transactions append them. The relay numbers them and moves them to `event`.
create table outbox (
    id bigint generated always as identity primary key,
    at bigint not null,
    type text collate "C" not null,
    owner text collate "C",
    member_id text collate "C",
    image_id text collate "C",
    family_id text collate "C",
    actor_project text collate "C",
    actor_user text collate "C",
    request_id text collate "C",
    via text collate "C" not null,
    data jsonb not null
);

-- History. No foreign keys: it outlives what it is about. `seq` has no gaps, and is the order in which readers
-- see events.
create table event (
    seq bigint primary key,
    at bigint not null,
    type text collate "C" not null,
    owner text collate "C",
    member_id text collate "C",
    image_id text collate "C",
    family_id text collate "C",
    actor_project text collate "C",
    actor_user text collate "C",
    request_id text collate "C",
    via text collate "C" not null,
    data jsonb not null
);

create index event_by_owner on event (owner, seq);
create index event_by_member on event (member_id, seq);
create index event_by_image on event (image_id, seq);
create index event_within_family on event (family_id, seq) where family_id is not null;
-- What is told to all members of a family. SQLite prefers it to the one above because it is the later one.
create index event_to_members on event (family_id, seq) where family_id is not null and member_id is null;

-- How many events each project has caused on a day (UTC), as far as they have their numbers.
create table event_count (
    project_id text collate "C" not null,
    -- Days since the epoch.
    day bigint not null,
    events bigint not null,
    primary key (project_id, day)
);

create index event_count_by_day on event_count (day, events);

-- Who was a pending or accepted member of a family between which events: they see its events.
create table family_audience (
    family_id text collate "C" not null,
    member_id text collate "C" not null,
    from_seq bigint not null,
    -- Null as long as they are one.
    to_seq bigint,
    primary key (family_id, member_id, from_seq)
);

create index family_audience_by_end on family_audience (member_id, coalesce(to_seq, 4611686018427387904));
create index family_audience_closed on family_audience (to_seq) where to_seq is not null;

-- Processes of which one at a time works in the whole cloud (relay, sweep), and what they have to remember.
create table singleton (
    name text collate "C" primary key,
    -- The worker that has it, null when none does; after `held_until` it counts as dead.
    holder text collate "C",
    held_until bigint not null,
    -- Of the relay: the last number given to an event.
    last_seq bigint not null default 0
);

insert into singleton (name, held_until) values ('relay', 0), ('sweep', 0), ('retention', 0);

-- Webhooks: an address, a filter, and how far in the events it has got.
create table hook (
    id text collate "C" primary key,
    project_id text collate "C" not null,
    url text collate "C" not null,
    types jsonb not null,
    is_batch boolean not null,
    is_enabled boolean not null,
    -- True: of all projects' events (an administrator's).
    is_global boolean not null,
    secret text collate "C" not null,
    -- Signs as well until `old_secret_until`.
    old_secret text collate "C",
    old_secret_until bigint,
    -- The number of the last event that was delivered or did not match.
    cursor bigint not null,
    -- Failed tries of the event that comes next, and when to try again.
    attempts bigint not null,
    next_at bigint not null,
    last_success_at bigint,
    last_failure_at bigint,
    last_status bigint,
    last_error text collate "C",
    holder text collate "C",
    held_until bigint not null,
    created_by text collate "C",
    created_at bigint not null,
    updated_at bigint not null,
    -- `domain/` and the id of the project's domain, whose events concern it, too.
    domain_key text collate "C"
);

create index hook_by_project on hook (project_id, created_at, id);

-- When a project last used another's image, and how often it downloaded it. Written every few seconds.
create table image_use (
    image_id text collate "C" not null references image (id) on delete cascade,
    project_id text collate "C" not null,
    downloads bigint not null,
    last_used_at bigint not null,
    primary key (image_id, project_id)
);

-- How many projects use an image of late, and when it was used last.
create index image_use_by_time on image_use (image_id, last_used_at);

-- Names of publishers that an administrator has verified.
create table publisher (
    project_id text collate "C" primary key,
    name text collate "C" not null,
    -- The name in one spelling (NFKC, casefolded), so that none looks like another.
    name_key text collate "C" not null unique,
    url text collate "C",
    support text collate "C",
    verified_at bigint not null,
    verified_by text collate "C" not null
);

-- Answers that were given to requests with an Idempotency-Key.
create table answered_request (
    project_id text collate "C" not null,
    user_id text collate "C" not null,
    key text collate "C" not null,
    -- SHA-256 of method, path and body.
    fingerprint text collate "C" not null,
    status bigint not null,
    headers jsonb not null,
    body text collate "C" not null,
    at bigint not null,
    primary key (project_id, user_id, key)
);

create index answered_request_by_age on answered_request (at);

-- Who is signed in to the console. A row is of no use without the cookie: `box` has the tokens, enciphered with
-- a key that is made of it.
create table console_session (
    -- SHA-256 of the cookie's 32 bytes, in hex.
    key_hash text collate "C" primary key,
    box text collate "C" not null,
    user_id text collate "C" not null,
    user_name text collate "C" not null,
    project_id text collate "C",
    project_name text collate "C",
    domain_name text collate "C",
    created_at bigint not null,
    -- Written at most once in five minutes.
    used_at bigint not null,
    expires_at bigint not null
);

create index console_session_by_end on console_session (expires_at);
create index console_session_by_user on console_session (user_id);

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
