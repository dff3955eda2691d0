"""The calling service account, its key, and its tokens or those of an account that it impersonates."""

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
"""The audience of the assertions that gcloud signs, whatever its token endpoint is."""

TOKEN_MARKER = "canary"
"""Part of every token, so that tokens can be found in files and outputs."""


class Identity:
    """The privileged account, an owner of the project, and the calling account.

    They are the same, unless the caller impersonates the privileged account. It can then
    create tokens of that account, and do nothing else.

    Attributes:
        caller: address of the calling account, which has a key.
        email: address of the privileged account.
    """

    def __init__(self, project: str, base: str, account: str | None = None) -> None:
        """Create the caller's key.

        Args:
            project: its id.
            base: URL of the fake cloud, whose token endpoint is ``/token``.
            account: the service account that the caller impersonates, if any.
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
        """Return a key file as Google creates it: all client libraries get their tokens with it."""
        content = {
            "type": "service_account",
            "project_id": self._project,
            "private_key_id": "fake",
            "private_key": self.private_key(),
            "client_email": self.caller,
            "client_id": "100000000000000000001",
            "token_uri": f"{self._base}/token",
        }
        return json.dumps(content)

    def exchange(self, assertion: str) -> dict[str, Any]:
        """Return an access token for a signed assertion.

        Raises:
            CloudError: it is not signed with the caller's key.
        """
        try:
            claims = _decode(assertion, certs=self._public, audience=[f"{self._base}/token", GOOGLE])
        except (exceptions.GoogleAuthError, ValueError) as error:
            raise CloudError(400, "invalid_grant", f"invalid_grant: {error}") from error
        if claims.get("iss") != self.caller:
            raise CloudError(400, "invalid_grant", "invalid_grant: account not found")
        return self.new_token(self.caller)

    def new_token(self, email: str | None = None) -> dict[str, Any]:
        """Return the content of a token response.

        Args:
            email: the token's account; the privileged one if absent.
        """
        token = f"ya29.{TOKEN_MARKER}-{secrets.token_hex(24)}"
        with self._lock:
            self._tokens[token] = time.monotonic() + LIFETIME, email or self.email
        return {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}

    def expire(self, token: str) -> None:
        """Make a token invalid."""
        with self._lock:
            self._tokens.pop(token, None)

    def find_account(self, token: str) -> str | None:
        """Return the address of a token's account; None if the token is invalid."""
        with self._lock:
            ends, email = self._tokens.get(token, (0.0, ""))
            return email if ends > time.monotonic() else None

    def is_valid(self, token: str) -> bool:
        return self.find_account(token) is not None

    def userinfo(self, authorization: str) -> dict[str, Any]:
        """Return the address that a token belongs to, as OpenID Connect has it.

        Raises:
            CloudError: The token is not valid.
        """
        email = self.find_account(authorization.removeprefix("Bearer "))
        if email is None:
            raise CloudError(401, "authError", "Request had invalid authentication credentials.")
        return {"email": email, "email_verified": True}

    def review(self, review: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a TokenReview of authentication.k8s.io/v1, which an API server sends."""
        email = self.find_account(review["spec"].get("token", ""))
        # On GKE, IAM authorizes an owner; here the group does.
        user = {"username": email, "groups": ["system:masters"] if email == self.email else []}
        status: dict[str, Any] = {"authenticated": email is not None, **({"user": user} if email else {})}
        return {"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}
