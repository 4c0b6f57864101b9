insert into image_tag (image_id, word, owner, visibility, created_at)
    select image_id, word, owner, visibility, created_at from image_word
    where image_id > $1 and image_id <= $2
    on conflict do nothing;
