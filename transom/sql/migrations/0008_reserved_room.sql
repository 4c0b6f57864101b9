alter table loose_blob add column owner text collate "C";
alter table loose_blob add column reserved bigint not null default 0;
