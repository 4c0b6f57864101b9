"""Keys, certificates and signatures as whoever signs images makes them, by OpenStack's guide.

RSA signatures are openssl's own; the others are made with `cryptography`, from the facts alone.
"""

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import NameOID

HASHES = {
    "SHA-224": hashes.SHA224(),
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}


def make_key(key_type: str) -> Any:
    """A new private key. P-256 is a curve that no key type names."""
    if key_type == "RSA-PSS":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if key_type == "DSA":
        return dsa.generate_private_key(key_size=2048)
    curves = {"ECC_SECP384R1": ec.SECP384R1(), "ECC_SECP521R1": ec.SECP521R1(), "P-256": ec.SECP256R1()}
    return ec.generate_private_key(curves[key_type])


def certify(key: Any, *, begins_in: timedelta = timedelta(hours=-1), days: int = 1) -> x509.Certificate:
    """A certificate of the key, signed by itself. `begins_in`: from now."""
    begins = datetime.now(UTC) + begins_in
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a signer of images")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def sign(folder: Path, key: Any, data: bytes, method: str = "SHA-256", salt: str = "max") -> str:
    """The signature of the data, in base64. `salt`: its length, where the key is RSA."""
    if not isinstance(key, rsa.RSAPrivateKey):
        arguments = [HASHES[method]] if isinstance(key, dsa.DSAPrivateKey) else [ec.ECDSA(HASHES[method])]
        return base64.b64encode(key.sign(data, *arguments)).decode()
    key_file = folder / "key.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", f"rsa_pss_saltlen:{salt}"]
    digest = "-" + method.replace("-", "").lower()
    command = ["openssl", "dgst", digest, "-sign", str(key_file), *options]
    signature = subprocess.run(command, input=data, stdout=subprocess.PIPE, timeout=30, check=True).stdout
    return base64.b64encode(signature).decode()
