"""The types of the configuration's values."""

import re
import unicodedata
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from config.grammar import (
    domain,
    header,
    image,
    label_name,
    mount_path,
    origin,
    quantity,
    reserved,
    retry_condition,
    service_account,
    url_path,
)


class Model(BaseModel):
    """Frozen, closed (an unknown key is an error), and strict about types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


TAG_MARK = "("
"""Start of the names of a union's members where pydantic reports them as the last step of a path."""


class Alternatives(Model):
    """A section with exactly one of several keys.

    Attributes:
        alternatives: the keys.
    """

    alternatives: ClassVar[tuple[str, ...]]

    @property
    def chosen(self) -> str:
        """The one of the keys that is given."""
        return next(key for key in self.alternatives if getattr(self, key) is not None)

    @model_validator(mode="after")
    def _check_alternatives(self) -> Self:
        given = [key for key in self.alternatives if getattr(self, key) is not None]
        if len(given) > 1:
            raise _refuse(f"has {' and '.join(given)}, which exclude each other; take all but one of them away")
        if not given:
            raise _refuse(f"needs one of {', '.join(self.alternatives)}")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema, in which exactly one of the keys is required."""
        schema = handler(core_schema)
        handler.resolve_ref_schema(schema)["oneOf"] = [{"required": [key]} for key in cls.alternatives]
        return schema


def _refuse(rule: str) -> PydanticCustomError:
    # The text is passed as a value: braces in it are not placeholders.
    return PydanticCustomError("rule", "{rule}", {"rule": rule})


def _quotes(value: object) -> str:
    """Return how a value becomes text, unless it is more than one value."""
    return ", not a list or a mapping" if isinstance(value, (list, tuple, dict)) else "; put it in quotes"


def _text(pattern: str, rule: str, longest: int, shortest: int = 1, further: Callable[[str], str] = str) -> Any:
    """A string that matches ``pattern`` whole; ``rule`` says so in words."""
    compiled = re.compile(pattern)

    def check(value: object) -> object:
        if not isinstance(value, str):
            raise _refuse(f"must be text ({rule}){_quotes(value)}")
        if not value and shortest:
            raise _refuse(f"is empty; it must be {rule}")
        # Not even looked at if it is far too long: some patterns take their time.
        if len(value) <= 2 * longest and not compiled.fullmatch(value):
            raise _refuse(f"must be {rule}")
        if not shortest <= len(value) <= longest:
            raise _refuse(f"must be {shortest} to {longest} characters long, and is {len(value)}")
        return further(value)

    schema = {"type": "string", "pattern": f"^{pattern}$", "minLength": shortest, "maxLength": longest}
    return Annotated[str, BeforeValidator(check), WithJsonSchema(schema)]


def _grammar(
    problem: Callable[[str], str | None], pattern: str, longest: int, further: Callable[[str], str] = str
) -> Any:
    """A string in which ``problem`` finds nothing wrong; ``pattern`` is for editors."""

    def check(value: object) -> object:
        if not isinstance(value, str):
            raise _refuse(f"must be text{_quotes(value)}")
        if len(value) > longest:
            raise _refuse(f"must be 1 to {longest} characters long, and is {len(value)}")
        if rule := problem(value):
            raise _refuse(rule)
        return further(value)

    schema = {"type": "string", "pattern": f"^{pattern}$", "minLength": 1, "maxLength": longest}
    return Annotated[str, BeforeValidator(check), WithJsonSchema(schema)]


LONGEST_SECONDS = 3600


def _seconds(value: object) -> object:
    """Check a number of seconds."""
    rule = f"must be a number of seconds from 0.001 to {LONGEST_SECONDS}, with three decimals at most"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refuse(f"{rule}, without quotes and unit")
    if not 0.001 <= value <= LONGEST_SECONDS or round(value, 3) != value:
        raise _refuse(rule)
    return value


Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "number", "minimum": 0.001, "maximum": LONGEST_SECONDS}),
]
"""A duration, to the millisecond.

https://github.com/istio/istio/blob/1.28.0/pkg/config/validation/agent/validation.go (ValidateDuration)
"""


def _retry_condition(value: object) -> object:
    """Check a condition of retries, or a status code, which is a whole number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value not in retry_condition.ALL:
        raise _refuse(retry_condition.RULE)
    return value


RetryCondition = Annotated[
    str | int,
    BeforeValidator(_retry_condition),
    WithJsonSchema({"enum": list(retry_condition.ALL)}),
]


def _only_true(value: object) -> object:
    if value is not True:
        raise _refuse("can only be true; remove the key instead")
    return value


OnlyTrue = Annotated[bool, BeforeValidator(_only_true), WithJsonSchema({"const": True})]
"""A key whose presence is what counts."""


def _cpu(value: object) -> object:
    """Check an amount of CPU, which may be a whole number."""
    if isinstance(value, float):
        raise _refuse(f"must be text; put {value} in quotes")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _refuse(str(quantity.cpu_problem("")))
    if rule := quantity.cpu_problem(str(value)[:100]):
        raise _refuse(rule)
    return str(value)


Cpu = Annotated[
    str,
    BeforeValidator(_cpu),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^({quantity.CPU_PATTERN})$"},
                {"type": "integer", "minimum": 1, "maximum": quantity.MOST_CPU - 1},
            ]
        }
    ),
]


def _own_name(value: str) -> str:
    """Check a name that becomes the id of a construct, which JavaScript looks up among an object's own names."""
    if value == "constructor":
        raise _refuse("must not be constructor, which every object of JavaScript has, and so of cdktf; choose another")
    return value


_LABEL = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_RULE = "lower-case letters, digits and hyphens, from a letter to a letter or digit"


def _project_id(value: object) -> object:
    if (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value.isdecimal()):
        shown = f"gcloud projects describe {value} --format='value(projectId)'"
        raise _refuse(f"must be a project id, and is a project number; {shown} prints the id")
    if not isinstance(value, str):
        raise _refuse("must be text, a project id; put it in quotes")
    if re.fullmatch(rf"[a-z0-9.-]+:{_LABEL}", value):
        raise _refuse(
            "is a domain-scoped project id, and names of clusters and secrets can't contain its colon; choose another "
            "project"
        )
    if value.startswith("projects/"):
        raise _refuse(f"must be a project id alone; write {value.removeprefix('projects/')!r}")
    if len(value) <= 60 and not re.fullmatch(_LABEL, value):
        raise _refuse(f"must be a project id (not its number or its display name): {_LABEL_RULE}")
    if not 6 <= len(value) <= 30:
        raise _refuse(f"must be 6 to 30 characters long, and is {len(value)}")
    if found := next((word for word in reserved.PROJECT_ID_WORDS if word in value), None):
        raise _refuse(f"can't be a project id: Google accepts none that contains {found!r}")
    return value


ProjectId = Annotated[
    str,
    BeforeValidator(_project_id),
    WithJsonSchema({"type": "string", "pattern": f"^{_LABEL}$", "minLength": 6, "maxLength": 30}),
]
"""A Google Cloud project id. https://cloud.google.com/resource-manager/docs/creating-managing-projects"""

NamePrefix = _text(_LABEL, _LABEL_RULE, longest=20)
RegionKey = _text(_LABEL, f"a short name: {_LABEL_RULE}", longest=20, further=_own_name)
PolicyName = _text(_LABEL, f"a policy's name: {_LABEL_RULE}", longest=63)
ServiceName = _text(_LABEL, f"a Kubernetes name: {_LABEL_RULE}", longest=40, further=_own_name)
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NamespaceName = _text(
    _DNS_LABEL, "a namespace: lower-case letters, digits and hyphens between them", longest=63, further=_own_name
)
"""A label of RFC 1123. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""
CallerName = _text(
    rf"({_LABEL}|{_DNS_LABEL}/({_DNS_LABEL}(\.{_DNS_LABEL})*|\*))",
    "a service's name, NAMESPACE/ACCOUNT, or NAMESPACE/* for a whole namespace",
    longest=317,
)
"""The account is a subdomain of RFC 1123, of 253 characters at most."""
PortName = _text(
    r"(?=[-0-9]*[a-z])[a-z0-9]+(-[a-z0-9]+)*",
    "a port's name: lower-case letters and digits, with single hyphens between them, and at least one letter",
    longest=15,
)
"""A service name of IANA. https://www.rfc-editor.org/rfc/rfc6335#section-5.1"""
Version = _text(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
    "a version such as v1: lower-case letters, digits, hyphens, and single dots between them",
    longest=30,
)
SecretVersion = _text(
    rf"projects/({_LABEL}|[0-9]+)/secrets/[A-Za-z0-9_-]{{1,255}}/versions/(latest|[1-9][0-9]*|[A-Za-z][A-Za-z0-9_-]*)",
    "a version of a secret in Secret Manager, projects/PROJECT/secrets/SECRET/versions/VERSION",
    longest=400,
)
"""A version's resource name. https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions"""
ObjectName = _text(
    rf"{_DNS_LABEL}(\.{_DNS_LABEL})*",
    "the name of an object: lower-case letters, digits, hyphens, and single dots between them",
    longest=253,
)
"""A subdomain of RFC 1123. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""
ObjectKey = _text(
    r"(?!\.\.?$|\.\.)[A-Za-z0-9._-]+",
    "a key: letters, digits, hyphens, underscores and dots, not .. first",
    longest=253,
)
"""A key of a Secret or a ConfigMap, which can be a file's name.

https://github.com/kubernetes/apimachinery/blob/v0.34.2/pkg/util/validation/validation.go (IsConfigMapKey)
"""
MountPath = _grammar(mount_path.problem, mount_path.PATTERN, longest=200)
Sha256 = _text(r"[0-9a-f]{64}", "64 hexadecimal digits in lower case", longest=64)
ServiceAccountEmail = _grammar(service_account.problem, service_account.PATTERN, longest=254)
MachineType = _text(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", "a machine type such as e2-standard-4", longest=40)
Zone = _text(r"[a-z]+-[a-z]+[0-9]+-(ai[0-9]+)?[a-z]", "a zone such as asia-northeast1-a", longest=40)
Image = _grammar(image.problem, image.PATTERN, longest=520)
UrlPath = _grammar(url_path.problem, url_path.PATTERN, longest=200)
_PATH_SCHEMA = TypeAdapter(UrlPath).json_schema()
UrlPaths = Annotated[
    tuple[UrlPath, ...],  # type: ignore[valid-type]
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [_PATH_SCHEMA, {"type": "array", "items": _PATH_SCHEMA, "minItems": 1}]}),
]
"""One path, or a list of them."""
RouteHost = _grammar(domain.route_host_problem, domain.ROUTE_HOST_PATTERN, longest=253)
HeaderName = _grammar(header.name_problem, header.NAME, longest=100)
HeaderNames = _grammar(header.names_problem, header.NAME, longest=100)
"""A header, or ``*`` for all."""
Origin = _grammar(origin.problem, origin.PATTERN, longest=270)
ProbePath = _grammar(url_path.request_problem, url_path.REQUEST_PATTERN, longest=500)
ProbeService = _text(r"[A-Za-z0-9._/-]*", "a service such as shop.Orders", longest=200, shortest=0)
"""A service of the gRPC health checking protocol. https://github.com/grpc/grpc/blob/master/doc/health-checking.md"""
Bytes = _grammar(quantity.bytes_problem, f"({quantity.BYTES_PATTERN})", longest=40)
Organization = _text(r"[A-Za-z0-9][A-Za-z0-9_-]*", "letters, digits, hyphens, underscores", longest=60)
HostName = _grammar(domain.host_problem, domain.HOST_PATTERN, longest=253)
ObjectPrefix = _text(
    r"(?!\.well-known/acme-challenge(/|$)|\.\.?/|\.\.?$|.*/\.\.?/|.*/\.\.?$)[A-Za-z0-9._~=+@-]+(/[A-Za-z0-9._~=+@-]+)*",
    "a folder in a bucket, such as teams/mesh: letters, digits and ._~=+@-, with single slashes between its parts",
    longest=200,
)
"""Characters that mean nothing to other tools, and no part . or .. (https://cloud.google.com/storage/docs/objects)."""
DomainName = _grammar(domain.problem, domain.PATTERN, longest=63)
"""A domain that Google issues a managed certificate for: no wildcard, and at most 63 characters.

Source: https://cloud.google.com/load-balancing/docs/ssl-certificates/google-managed-certs#limitations
(from memory: the page could not be read here)
"""
Label = _text(
    r"[A-Za-z0-9][A-Za-z0-9 ._-]*",
    "a short name: letters without accents, digits, spaces, dots, underscores and hyphens, from a letter or digit",
    longest=60,
)
LabelName = _grammar(label_name.problem, label_name.PATTERN, longest=label_name.LONGEST)
LabelValue = _text(
    r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?",
    "a label's value: letters, digits, and hyphens, underscores and dots between them",
    longest=63,
    shortest=0,
)
"""It may be empty. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"""
KmsKey = _text(
    rf"projects/{_LABEL}/locations/[a-z]+(-[a-z]+[0-9]+)?/keyRings/[A-Za-z0-9_-]{{1,63}}/cryptoKeys/[A-Za-z0-9_-]{{1,63}}",
    "a key of Cloud KMS, projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY, without a version",
    longest=300,
)
"""A key's resource name. https://cloud.google.com/kms/docs/getting-resource-ids"""
WeekHour = _text(
    r"(monday|tuesday|wednesday|thursday|friday|saturday|sunday) ([01][0-9]|2[0-3]):00",
    "a day and a full hour such as saturday 15:00",
    longest=15,
)
AsmcliVersion = _text(
    r"1\.[0-9]+\.[0-9]+-asm\.[0-9]+\+config[0-9]+",
    "an asmcli version such as 1.31.3-asm.9+config1",
    longest=40,
)


def _carried(value: str) -> str:
    """Free text, which cdktf and terraform have to carry as it stands: what they would change is refused."""
    if "TfToken[" in value:
        raise _refuse("holds TfToken[, by which cdktf knows its own references; it can't be carried as text")
    if value.startswith("\ufeff"):
        raise _refuse("begins with a byte order mark, which terraform would take away")
    if unicodedata.normalize("NFC", value) != value:
        raise _refuse("has accents as characters of their own, which terraform would put together: save it as NFC")
    return value


HeaderValue = _grammar(header.value_problem, header.VALUE, longest=4096, further=_carried)
EnvName = _text(
    r"[!-<>-~]([ -<>-~]*[!-<>-~])?",
    "an environment variable's name, in ASCII and without =",
    longest=253,
    further=_carried,
)
"""Printable ASCII without =, as Kubernetes 1.32 and later take it (RelaxedEnvironmentVariableValidation).

A space at an end, which Kubernetes would take, is a slip.
https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
"""
ContainerText = Annotated[str, Field(max_length=4096), AfterValidator(_carried)]
"""Text that reaches a container as it stands: a value in its environment, or a word of a command."""
FilePath = _text(r"[^\x00-\x1f]+", "the path of a file", longest=4096, further=_carried)


def _region(value: object) -> object:
    if not isinstance(value, str):
        raise _refuse("must be a region such as asia-northeast1")
    zone = re.fullmatch(r"([a-z]+-[a-z]+[0-9]+)-[a-z]", value)
    if zone:
        raise _refuse(f"is a zone; clusters here are regional: write {zone[1]}")
    if not re.fullmatch(r"[a-z]+-[a-z]+[0-9]+", value) or len(value) > 40:
        raise _refuse("must be a region such as asia-northeast1")
    return value


RegionName = Annotated[
    str,
    BeforeValidator(_region),
    WithJsonSchema({"type": "string", "pattern": "^[a-z]+-[a-z]+[0-9]+$"}),
]
"""A Google Cloud region. https://cloud.google.com/compute/docs/regions-zones"""


def _bucket(value: object) -> object:
    if not isinstance(value, str):
        raise _refuse("must be a bucket's name, in quotes")
    if value.startswith("gs://"):
        raise _refuse("must be the bucket's name alone, without gs://; what follows it is backend.prefix")
    if not re.fullmatch(_BUCKET, value):
        raise _refuse("must be a bucket's name: lower-case letters, digits, hyphens, underscores and dots")
    if re.search(r"[.-]\.|\.-", value):
        raise _refuse("must not have a dot beside another dot or a hyphen: Cloud Storage accepts no such name")
    if not 3 <= len(value) <= 222 or any(not 1 <= len(part) <= 63 for part in value.split(".")):
        raise _refuse("must be 3 to 63 characters long (with dots 222, and 63 between two)")
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", value):
        raise _refuse("must not look like an IP address: Cloud Storage accepts no such name")
    if value.startswith("goog") or re.search(reserved.LIKE_GOOGLE, value):
        raise _refuse(
            "must not begin with goog, or contain google or what looks like it: Cloud Storage accepts no such name"
        )
    return value


_BUCKET = r"[a-z0-9][-a-z0-9_.]*[a-z0-9]"

BucketName = Annotated[
    str,
    BeforeValidator(_bucket),
    WithJsonSchema({"type": "string", "pattern": f"^{_BUCKET}$", "minLength": 3, "maxLength": 222}),
]
"""A bucket of Cloud Storage. https://cloud.google.com/storage/docs/buckets#naming"""


def _cidr(value: object) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", value):
        raise _refuse(f"must be an IPv4 range such as 172.16.0.0/16; for the one address write {value}/32")
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}", value):
        raise _refuse("must be an IPv4 range such as 172.16.0.0/16")
    try:
        lenient = IPv4Network(value, strict=False)
    except ValueError as error:
        raise _refuse(f"must be an IPv4 range such as 172.16.0.0/16 ({error})") from None
    if str(lenient) != value:
        raise _refuse(f"has bits set behind its prefix; the range is {lenient}")
    return lenient


Cidr = Annotated[
    IPv4Network,
    BeforeValidator(_cidr),
    WithJsonSchema({"type": "string", "pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$"}),
]
"""An IPv4 range in CIDR notation, without host bits."""

Port = Annotated[int, Field(ge=1, le=65535)]
