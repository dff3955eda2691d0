"""Who calls: a service account, its key, and the tokens that it gets for it or for one that it acts as."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions, jwt

from tests.fake_cloud.errors import CloudError

LIFETIME = 3600

_decode: Callable[..., dict[str, Any]] = jwt.decode  # without types in its package

GOOGLE = "https://oauth2.googleapis.com/token"
"""For whom gcloud signs, wherever it then asks."""

TOKEN_MARKER = "canary"
"""Part of every token: where it is found, a token is."""


class Identity:
    """The account that may do everything, as an owner may, and the one that calls.

    They are the same, unless the caller is to act as the other one. It then may get
    tokens of it, and nothing else.

    Attributes:
        caller: address of the one that calls, and has a key.
        email: address of the one that may do everything.
    """

    def __init__(self, project: str, base: str, account: str | None = None) -> None:
        """
        Args:
            base: URL of the fake cloud, which gives out tokens at ``/token``.
            account: whom the caller acts as; nobody if absent.
        """
        self.caller = f"deployer@{project}.iam.gserviceaccount.com"
        self.email = account or self.caller
        self._project = project
        self._base = base
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[float, str]] = {}
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def private_key(self) -> str:
        """Return the key of the caller, PEM."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        key: bytes = self._key.private_bytes(encoding, form, serialization.NoEncryption())
        return key.decode()

    def credentials(self) -> str:
        """Return a key file, as Google gives it out: every client library gets its tokens by it."""
        content = {
            "type": "service_account",
            "project_id": self._project,
            "private_key_id": "emulated",
            "private_key": self.private_key(),
            "client_email": self.caller,
            "client_id": "100000000000000000001",
            "token_uri": f"{self._base}/token",
        }
        return json.dumps(content)

    def exchange(self, assertion: str) -> dict[str, Any]:
        """Return an access token for a signed assertion.

        Raises:
            CloudError: it is not ours.
        """
        try:
            claims = _decode(assertion, certs=self._public, audience=[f"{self._base}/token", GOOGLE])
        except (exceptions.GoogleAuthError, ValueError) as error:
            raise CloudError(400, "invalid_grant", f"invalid_grant: {error}") from error
        if claims.get("iss") != self.caller:
            raise CloudError(400, "invalid_grant", "invalid_grant: account not found")
        return self.new_token(self.caller)

    def new_token(self, email: str | None = None) -> dict[str, Any]:
        """Return a token as an answer has it.

        Args:
            email: whose; of the one that may do everything if absent.
        """
        token = f"ya29.{TOKEN_MARKER}-{secrets.token_hex(24)}"
        with self._lock:
            self._tokens[token] = time.monotonic() + LIFETIME, email or self.email
        return {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}

    def expire(self, token: str) -> None:
        """Let a token be of no more use."""
        with self._lock:
            self._tokens.pop(token, None)

    def whose(self, token: str) -> str | None:
        """Return the address of the account that a token is of; None if it is of no use."""
        with self._lock:
            ends, email = self._tokens.get(token, (0.0, ""))
            return email if ends > time.monotonic() else None

    def is_valid(self, token: str) -> bool:
        return self.whose(token) is not None

    def review(self, review: dict[str, Any]) -> dict[str, Any]:
        """Answer an API server that asks whose token it got (TokenReview of authentication.k8s.io/v1)."""
        email = self.whose(review["spec"].get("token", ""))
        # On GKE, IAM's answer lets an owner do everything; here the group does.
        user = {"username": email, "groups": ["system:masters"] if email == self.email else []}
        status: dict[str, Any] = {"authenticated": email is not None, **({"user": user} if email else {})}
        return {"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}
