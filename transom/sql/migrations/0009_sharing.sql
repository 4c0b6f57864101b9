-- Columns first: their defaults are constants, so no row is written. `member` has an index more in 0010.

alter table member add column offered_at bigint;
alter table member add column offered_by text collate "C";
alter table member add column answered_at bigint;
alter table member add column message text collate "C";
alter table member add column ends_at bigint not null default 4611686018427387904;
alter table member add column expires_at bigint not null default 4611686018427387904;
alter table member add column family_id text collate "C";

create function live_recipients_of(wanted text, now_us bigint) returns bigint language plpgsql as $$
begin
    perform from image where id = wanted and visibility = 'shared' for update;
    if not found then
        return null;
    end if;
    return (select count(*) from member where image_id = wanted and ends_at > now_us);
end
$$;

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
    primary key (family_id, number)
);

create index family_version_by_revoke on family_version (revoke_at)
    where revoked_at is null and revoke_at < 4611686018427387904;

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

create table share_rule (
    project_id text collate "C" not null,
    publisher text collate "C" not null,
    answer text collate "C" not null,
    updated_at bigint not null,
    updated_by text collate "C",
    primary key (project_id, publisher)
);

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
create index event_by_family on event (family_id, seq);

create table family_audience (
    family_id text collate "C" not null,
    member_id text collate "C" not null,
    from_seq bigint not null,
    -- Null as long as they are one.
    to_seq bigint,
    primary key (family_id, member_id, from_seq)
);

create index family_audience_by_member on family_audience (member_id, family_id);

create table singleton (
    name text collate "C" primary key,
    -- The worker that has it, null when none does; after `held_until` it counts as dead.
    holder text collate "C",
    held_until bigint not null,
    -- Of the relay: the last number given to an event.
    last_seq bigint not null default 0
);

insert into singleton (name, held_until) values ('relay', 0), ('sweep', 0), ('retention', 0);

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
    updated_at bigint not null
);

create index hook_by_project on hook (project_id, created_at, id);

create table image_use (
    image_id text collate "C" not null references image (id) on delete cascade,
    project_id text collate "C" not null,
    downloads bigint not null,
    last_used_at bigint not null,
    primary key (image_id, project_id)
);

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
