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
