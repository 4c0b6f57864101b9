"""Compare an image's data with the hash the service published, by openstacksdk.

`python -m demo.verify IMAGE_ID FILE`, as the cloud `recipient`; downloads the data when FILE is not there.
"""

import hashlib
import sys
from pathlib import Path

import openstack


def main(image_id: str, file: Path) -> None:
    image = openstack.connect(cloud="recipient").image.get_image(image_id)
    if not file.exists():
        print(f"downloading {image.name} by its id")
        image.download(openstack.connect(cloud="recipient").image, output=str(file))
    found = hashlib.new(image.hash_algo, file.read_bytes()).hexdigest()
    print(f"{image.hash_algo} published {image.hash_value[:32]}…")
    print(f"{image.hash_algo} computed  {found[:32]}…")
    if found != image.hash_value:
        sys.exit(1)


main(sys.argv[1], Path(sys.argv[2]))
