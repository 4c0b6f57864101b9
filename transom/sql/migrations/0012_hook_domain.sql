alter table hook add column domain_key text collate "C";
