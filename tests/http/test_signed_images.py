"""Images with a signature of their data are verified before they can be used, as Glance does by cursive.

Keys and signatures are made here (`signing.py`), those of RSA by openssl.
"""

import dataclasses
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import IMPORTING, SharedServices
from harness.file_server import FileServer
from harness.forks import forked_service
from harness.key_manager import KeyManager
from harness.keystone import Keystone
from harness.service import Service
from harness.signing import certify, make_key, sign, to_pem
from images import create_active_image, create_raw_image, explanation, show_image, upload_data
from importing import finish_import, stage, start_import

DATA = bytes(range(256)) * 6000
KEY_TYPES = ["RSA-PSS", "DSA", "ECC_SECP384R1", "ECC_SECP521R1"]
METHODS = ["SHA-224", "SHA-256", "SHA-384", "SHA-512"]


@dataclasses.dataclass(frozen=True)
class Signer:
    """Keys by their type, and the folder in which their certificates lie under ids."""

    folder: Path
    work: Path
    keys: dict[str, Any]
    ids: dict[str, str]

    def properties(
        self, key_type: str, data: bytes, method: str = "SHA-256", **changed: str
    ) -> dict[str, str]:
        """Of an image with this data."""
        found = {
            "img_signature": sign(self.work, self.keys[key_type], data, method),
            "img_signature_hash_method": method,
            "img_signature_key_type": key_type,
            "img_signature_certificate_uuid": self.ids[key_type],
        }
        return found | changed

    def keep(self, content: bytes) -> str:
        """The id of one more certificate."""
        certificate_id = str(uuid.uuid4())
        (self.folder / f"{certificate_id}.pem").write_bytes(content)
        return certificate_id


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    folder = tmp_path_factory.mktemp("certificates")
    signer = Signer(folder, tmp_path_factory.mktemp("signing"), {}, {})
    for key_type in (*KEY_TYPES, "P-256"):
        signer.keys[key_type] = make_key(key_type)
        signer.ids[key_type] = signer.keep(to_pem(certify(signer.keys[key_type])))
    return signer


@pytest.fixture(scope="module")
def server(
    signer: Signer, shared_services: SharedServices, tmp_path_factory: pytest.TempPathFactory
) -> Service:
    folder = tmp_path_factory.mktemp("signed")
    return shared_services.get(
        "sqlite",
        TRANSOM_IMAGE_SIGNATURE_CERTIFICATES_DIR=str(signer.folder),
        TRANSOM_STORES=f"fast=file://{folder}/fast,slow=file://{folder}/slow",
        TRANSOM_GLANCE_DOWNLOAD_PROPERTIES="img_signature",
        **IMPORTING,
    )


def kept_files(service: Service, image_id: str) -> list[Path]:
    root = Path(service.settings["TRANSOM_STORES"].split("file://")[1].split(",")[0]).parent
    return [path for path in root.rglob("*") if image_id in path.name]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_data_that_was_signed_becomes_the_images(
    server: Service, signer: Signer, key_type: str, method: str
) -> None:
    client = server.client("publisher")
    properties = signer.properties(key_type, DATA, method)
    image_id = create_raw_image(client, **properties)["id"]

    response = upload_data(client, image_id, DATA)

    assert response.status_code == 204, response.text
    shown = show_image(client, image_id)
    assert shown["status"] == "active"
    # Nova verifies by these before it boots.
    assert {name: shown[name] for name in properties} == properties


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_other_data_than_was_signed_is_refused_and_nothing_of_it_is_kept(
    server: Service, signer: Signer, key_type: str
) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client, **signer.properties(key_type, DATA))["id"]

    response = upload_data(client, image_id, DATA[:-1] + b"x")

    assert response.status_code == 400
    assert explanation(response).startswith("img_signature: is not a signature of this data")
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"], shown["checksum"]) == ("queued", None, None)
    assert kept_files(server, image_id) == []
    assert upload_data(client, image_id, DATA).status_code == 204


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"img_signature": "AAAA"}, "img_signature: is not a signature of this data"),
        ({"img_signature": ""}, "img_signature: is not a signature of this data"),
        ({"img_signature": "not base64"}, "img_signature: is not in base64."),
        ({"img_signature_hash_method": "SHA-512"}, "img_signature: is not a signature of this data"),
        ({"img_signature_hash_method": "sha256"}, "img_signature_hash_method: "),
        ({"img_signature_hash_method": "MD5"}, "img_signature_hash_method: "),
        ({"img_signature_key_type": "RSA"}, "img_signature_key_type: "),
        ({"img_signature_key_type": "ECC_SECT571K1"}, "img_signature_key_type: "),
        ({"img_signature_key_type": "DSA"}, "img_signature_key_type: the key of the certificate"),
        ({"img_signature_key_type": "ECC_SECP384R1"}, "img_signature_key_type: the key of the certificate"),
        (
            {"img_signature_certificate_uuid": str(uuid.UUID(int=0))},
            "img_signature_certificate_uuid: there is no",
        ),
        ({"img_signature_certificate_uuid": "../x"}, "img_signature_certificate_uuid: "),
        ({"img_signature_certificate_uuid": ""}, "img_signature_certificate_uuid: "),
    ],
)
def test_a_claim_that_cannot_be_true_is_refused_by_name(
    server: Service, signer: Signer, changed: dict[str, str], text: str
) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(client, **signer.properties("RSA-PSS", DATA, **changed))["id"]

    response = upload_data(client, image_id, DATA)

    assert (response.status_code, explanation(response).startswith(text)) == (400, True), response.text
    assert show_image(client, image_id)["status"] == "queued"


def test_a_signature_in_lines_is_read(server: Service, signer: Signer) -> None:
    client = server.client("publisher")
    properties = signer.properties("RSA-PSS", DATA)
    text = properties["img_signature"]
    properties["img_signature"] = "\n".join(text[at : at + 64] for at in range(0, len(text), 64)) + "\n"

    assert upload_data(client, create_raw_image(client, **properties)["id"], DATA).status_code == 204


@pytest.mark.parametrize("salt", ["digest", "0"])
def test_a_salt_may_have_any_length(server: Service, signer: Signer, salt: str) -> None:
    """The default of newer releases of openssl is that of the digest."""
    client = server.client("publisher")
    signature = sign(signer.work, signer.keys["RSA-PSS"], DATA, salt=salt)
    properties = signer.properties("RSA-PSS", DATA, img_signature=signature)

    assert upload_data(client, create_raw_image(client, **properties)["id"], DATA).status_code == 204


def test_a_curve_that_the_key_type_does_not_name_is_refused(server: Service, signer: Signer) -> None:
    client = server.client("publisher")
    image_id = create_raw_image(
        client, **signer.properties("P-256", DATA, img_signature_key_type="ECC_SECP384R1")
    )["id"]

    response = upload_data(client, image_id, DATA)

    assert (response.status_code, "is not of the type ECC_SECP384R1" in explanation(response)) == (400, True)


@pytest.mark.parametrize("begins_in", [timedelta(days=-2), timedelta(hours=1)], ids=["ended", "to come"])
def test_a_certificate_out_of_its_time_is_refused(
    server: Service, signer: Signer, begins_in: timedelta
) -> None:
    client = server.client("publisher")
    certificate = signer.keep(to_pem(certify(signer.keys["RSA-PSS"], begins_in=begins_in)))
    image_id = create_raw_image(
        client, **signer.properties("RSA-PSS", DATA, img_signature_certificate_uuid=certificate)
    )["id"]

    response = upload_data(client, image_id, DATA)

    assert (response.status_code, "is valid from" in explanation(response)) == (400, True), response.text


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_that_is_no_certificate_is_refused(server: Service, signer: Signer, content: bytes) -> None:
    client = server.client("publisher")
    certificate = signer.keep(content)
    image_id = create_raw_image(
        client, **signer.properties("RSA-PSS", DATA, img_signature_certificate_uuid=certificate)
    )["id"]

    response = upload_data(client, image_id, DATA)

    assert (response.status_code, "is not a certificate" in explanation(response)) == (400, True)


@pytest.mark.parametrize("missing", range(4))
def test_an_image_that_lacks_one_of_the_four_properties_is_not_signed(
    server: Service, signer: Signer, missing: int
) -> None:
    """As in Glance: they are properties like any other then."""
    client = server.client("publisher")
    properties = signer.properties("RSA-PSS", DATA)
    del properties[list(properties)[missing]]
    image_id = create_raw_image(client, **properties)["id"]

    assert upload_data(client, image_id, b"other data").status_code == 204


def test_without_certificates_no_signed_image_is_taken(
    importing: Service, signer: Signer, files: FileServer
) -> None:
    """However its data would come, and before that does."""
    client = importing.client("publisher")
    image_id = create_raw_image(client, **signer.properties("RSA-PSS", DATA))["id"]
    url = files.offer(DATA)

    answers = [
        upload_data(client, image_id, DATA),
        stage(client, image_id, DATA),
        start_import(client, image_id, "web-download", uri=url),
    ]

    assert [answer.status_code for answer in answers] == [400] * 3
    assert {explanation(answer) for answer in answers} == {
        "img_signature: this service has no certificates by which it could verify signatures."
    }
    assert (show_image(client, image_id)["status"], files.times_asked(url)) == ("queued", 0)


# ---- imports


def fill(server: Service, files: FileServer, how: str, image_id: str, data: bytes) -> dict[str, Any]:
    """The task of an import of this data."""
    client = server.client("publisher")
    if how == "glance-direct":
        assert stage(client, image_id, data).status_code == 204
        started = start_import(client, image_id)
    else:
        started = start_import(client, image_id, "web-download", uri=files.offer(data), all_stores=True)
    assert started.status_code == 202, started.text
    return finish_import(client, image_id)


@pytest.mark.parametrize("how", ["glance-direct", "web-download"])
def test_imported_data_is_verified(server: Service, signer: Signer, files: FileServer, how: str) -> None:
    client = server.client("publisher")
    good, bad = (create_raw_image(client, **signer.properties("DSA", DATA))["id"] for _ in range(2))

    tasks = [fill(server, files, how, good, DATA), fill(server, files, how, bad, DATA[1:])]

    assert [task["status"] for task in tasks] == ["success", "failure"], tasks
    assert tasks[1]["message"].startswith("img_signature: is not a signature of this data")
    assert show_image(client, good)["status"] == "active"
    assert (show_image(client, bad)["status"], kept_files(server, bad)) == ("queued", [])


def test_what_could_not_be_verified_is_not_fetched(
    server: Service, signer: Signer, files: FileServer
) -> None:
    client = server.client("publisher")
    unknown = {"img_signature_certificate_uuid": str(uuid.uuid4())}
    image_id = create_raw_image(client, **signer.properties("RSA-PSS", DATA, **unknown))["id"]
    url = files.offer(DATA)

    start_import(client, image_id, "web-download", uri=url)
    task = finish_import(client, image_id)

    assert (task["status"], "there is no certificate" in task["message"]) == ("failure", True)
    assert files.times_asked(url) == 0


def test_a_signature_that_is_taken_over_with_the_data_is_verified(server: Service, signer: Signer) -> None:
    """The source was signed after its upload, which nobody verifies."""
    client = server.client("publisher")
    right = create_active_image(client, DATA)["id"]
    wrong = create_active_image(client, DATA[1:])["id"]
    properties = signer.properties("ECC_SECP384R1", DATA)
    operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in properties.items()]
    tasks = []
    for source_id in (right, wrong):
        client.patch(
            f"/v2/images/{source_id}",
            json=operations,
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
        ).raise_for_status()
        image_id = create_raw_image(client)["id"]
        given = {"glance_region": "RegionOne", "glance_image_id": source_id}
        start_import(client, image_id, "glance-download", **given)
        tasks.append(finish_import(client, image_id))

    assert [task["status"] for task in tasks] == ["success", "failure"], tasks
    assert tasks[1]["message"].startswith("img_signature: is not a signature of this data")


def test_a_copy_to_a_further_store_needs_no_certificate(server: Service, signer: Signer) -> None:
    """It is compared with the data that was verified when it came."""
    client, admin = server.client("publisher"), server.client("admin")
    certificate = signer.keep(to_pem(certify(signer.keys["RSA-PSS"])))
    properties = signer.properties("RSA-PSS", DATA, img_signature_certificate_uuid=certificate)
    image_id = create_raw_image(client, **properties)["id"]
    assert upload_data(client, image_id, DATA).status_code == 204
    (signer.folder / f"{certificate}.pem").unlink()

    started = start_import(admin, image_id, "copy-image", stores=["slow"])
    task = finish_import(admin, image_id)

    assert (started.status_code, task["status"]) == (202, "success"), task
    assert show_image(client, image_id)["stores"] == "fast,slow"


# ---- certificates in Barbican


def test_certificates_are_fetched_with_the_users_own_token(
    keystone: Keystone, signer: Signer, tmp_path: Path
) -> None:
    """By the catalog of a real Keystone; the task has the token that its request came with."""
    properties = signer.properties("ECC_SECP384R1", DATA)
    certificate = (signer.folder / f"{signer.ids['ECC_SECP384R1']}.pem").read_bytes()
    settings = {**keystone.settings(), "TRANSOM_IMAGE_SIGNATURE_BARBICAN": "true"}
    with KeyManager() as barbican, forked_service(tmp_path, None, settings) as service:
        keystone.set_image_endpoint(f"{barbican.origin}/barbican", "key-manager")
        service.use_clouds(keystone.clouds)
        client, token = service.client("demo"), service.token("demo")
        barbican.tokens = {token}
        barbican.secrets[signer.ids["ECC_SECP384R1"]] = ("application/octet-stream", certificate)
        uploaded, refused, imported = (create_raw_image(client, **properties)["id"] for _ in range(3))

        answers = [
            upload_data(client, uploaded, DATA).status_code,
            upload_data(client, refused, DATA[1:]).status_code,
            stage(client, imported, DATA).status_code,
            start_import(client, imported).status_code,
        ]
        task = finish_import(client, imported)

        assert (answers, task["status"]) == ([204, 400, 204, 202], "success"), task
        assert token not in str(task)
        assert token not in service.read_log()
