alter table family_version add column has_deactivated boolean not null default false;
-- What was revoked before: its image is to be active again when it is restored, as it was said then.
update family_version set has_deactivated = true where revoked_at is not null;
