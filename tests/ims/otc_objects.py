"""An image of an object, one that is refused, and an export, by otcextensions as it is: a program that
`test_otcextensions.py` runs in the environment that has it. It writes one JSON object.

Arguments: the object, one that is not there, the object to be.
"""

# The types of otcextensions are where it runs, and not where they are checked.
# mypy: ignore-errors

import json
import sys

import openstack
from otcextensions import sdk

source, missing, target = sys.argv[1:]
connection = openstack.connect(cloud="publisher")
sdk.register_otc_extensions(connection)
jobs = connection.imsv1

created = connection.imsv2.create_image(
    name="by otcextensions",
    image_url=source,
    min_disk=40,
    os_version="Debian GNU/Linux 10.0.0 64bit",
    image_tags=[{"key": "stage", "value": "test"}],
)
made = jobs.wait_for_async_job(created, wait=0.1)
(image,) = connection.imsv2.images(id=made.entities.image_id)

exported = jobs.export_image(image_id=image.id, bucket_url=target, file_format="raw")
done = jobs.wait_for_async_job(exported.job_id, wait=0.1)

refused = connection.imsv2.create_image(name="never made", image_url=missing, min_disk=40)
try:
    jobs.wait_for_async_job(refused.job_id, wait=0.1)
except RuntimeError as error:
    text = str(error)

said = {
    "made": [made.status, made.job_type],
    "image": [image.id, image.name, image.status, image.min_disk, image.data_origin],
    "exported": [done.status, done.job_type],
    "refused": [text, jobs.get_async_job(refused.job_id).error_code],
}
sys.stdout.write(json.dumps(said))
