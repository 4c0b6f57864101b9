update member set is_asleep = true from image
    where image.id = member.image_id and image.id > $1 and image.id <= $2
      and (image.visibility <> 'shared' or image.owner = member.member_id);
