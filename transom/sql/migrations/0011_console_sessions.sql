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
