alter table loose_blob add column owner text collate "C";
alter table loose_blob add column reserved bigint not null default 0;
create index loose_blob_by_owner on loose_blob (owner) where owner is not null;
