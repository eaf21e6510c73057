"""Ed25519 keys in PEM files: made, loaded, named. `cryptography` is imported when a key is used, not before."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditkit.core.errors import PlanError
from auditkit.core.files import sync_directory

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: Names the password of an encrypted private key where nobody can be asked.
PASSWORD_VARIABLE = "AUDITKIT_SIGNING_KEY_PASSWORD"
_MAX_BYTES = 65_536


class PasswordNeededError(PlanError):
    """A private key is encrypted, and no password was given."""


@dataclass(frozen=True)
class Signer:
    """A private key, ready to sign. `key_id` names its public key; `exposed`: others than the owner may read it."""

    key_id: str
    exposed: bool
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature (RFC 8032) of a message: 64 bytes."""
        return self._private.sign(message)


@dataclass(frozen=True)
class Verifier:
    """A public key. `key_id` names it."""

    key_id: str
    _public: Ed25519PublicKey = field(repr=False)

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Whether this key's owner signed the message."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._public.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def key_id_of(raw: bytes) -> str:
    """The name of a public key of 32 raw bytes: SHA-256 of the canonical JSON of its TUF description.

    That is the key id of securesystemslib, so that tools of in-toto and TUF know the key by the same name.
    """
    described = f'{{"keytype":"ed25519","keyval":{{"public":"{raw.hex()}"}},"scheme":"ed25519"}}'
    return hashlib.sha256(described.encode("ascii")).hexdigest()


def _named(public: Ed25519PublicKey) -> str:
    return key_id_of(public.public_bytes_raw())


def load_signer(path: Path, password: str | None = None) -> Signer:
    """The private key in a PEM file (PKCS #8). Without a `password`, that of the environment is tried.

    Raises `PasswordNeededError` where it is encrypted and there is no password, `PlanError` where it can't be read, the
    password is wrong, or it is no Ed25519 private key.
    """
    password = password or os.environ.get(PASSWORD_VARIABLE)
    content, mode = _read(path)
    if b"PUBLIC KEY-----" in content:
        raise PlanError(f"{path}: is a public key; the private one signs, `auditkit keygen` names it NAME.key")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    secret = password.encode("utf-8") if password else None
    if secret is not None and b"ENCRYPTED" not in content:
        secret = None  # the environment may name a password that this key doesn't need
    try:
        private: Any = load_pem_private_key(content, secret)
    except TypeError:
        raise PasswordNeededError(f"{path}: is encrypted; give its password in {PASSWORD_VARIABLE}") from None
    except (ValueError, UnsupportedAlgorithm):
        wrong = "the password is wrong, or the file is damaged" if secret else "is no private key in PEM format"
        raise PlanError(f"{path}: {wrong}") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise PlanError(f"{path}: is no Ed25519 key; make one with `auditkit keygen`")
    return Signer(_named(private.public_key()), bool(mode & (stat.S_IRWXG | stat.S_IRWXO)), private)


def load_verifier(path: Path) -> Verifier:
    """The public key in a PEM file. Raises `PlanError` where it can't be read or is no Ed25519 public key."""
    content, _ = _read(path)
    if b"PRIVATE KEY-----" in content:
        raise PlanError(f"{path}: is a private key; give the public one, and keep this one to yourself")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public: Any = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise PlanError(f"{path}: is no public key in PEM format") from None
    if not isinstance(public, Ed25519PublicKey):
        raise PlanError(f"{path}: is no Ed25519 key; auditkit signs with Ed25519 alone")
    return Verifier(_named(public), public)


def _read(path: Path) -> tuple[bytes, int]:
    """The content and the mode of a key file, unless it is no regular file or no key by its size."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
                raise PlanError(f"{path}: is no key file")
            return stream.read(_MAX_BYTES), status.st_mode
    except OSError as error:
        raise PlanError(f"{path}: the key can't be read ({error.strerror})") from None
    except ValueError:
        raise PlanError("the path of the key holds a NUL character") from None


def generate(name: Path, password: str | None = None) -> tuple[Path, Path, str]:
    """Make a key pair: `NAME.key` (mode 0600, PKCS #8, encrypted where there is a password) and `NAME.pub`.

    Gives both paths and the key id. Raises `PlanError` where one of the files exists (nothing is overwritten) or can't
    be written.
    """
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret, public = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.pub")
    for path in (secret, public):
        if path.is_symlink() or path.exists():
            raise PlanError(f"{path}: exists; a key is never overwritten, choose another NAME")
    private = Ed25519PrivateKey.generate()
    locked = pem.BestAvailableEncryption(password.encode("utf-8")) if password else pem.NoEncryption()
    _create(secret, private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, locked), 0o600)
    try:
        shared = private.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
        _create(public, shared, 0o644)
    except BaseException:
        secret.unlink(missing_ok=True)
        raise
    return secret, public, _named(private.public_key())


def _create(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not exist yet, whole or not at all, readable for nobody else before it is complete."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        raise PlanError(f"{path}: can't be written ({error.strerror})") from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        sync_directory(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
