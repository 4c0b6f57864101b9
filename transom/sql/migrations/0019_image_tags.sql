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
