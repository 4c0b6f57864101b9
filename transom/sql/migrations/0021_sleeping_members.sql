alter table member add column is_asleep boolean not null default false;

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
