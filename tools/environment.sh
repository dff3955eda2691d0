# shellcheck shell=sh
# Removes from the environment what would make the project's tools work differently: settings of the shell, pip, pipenv,
# Python, Node.js, npm and git. Where packages come from, through which proxy and with which certificates, stays.

unset BASH_ENV ENV CDPATH GLOBIGNORE POSIXLY_CORRECT GREP_OPTIONS GREP_COLOR GREP_COLORS VIRTUAL_ENV __PYVENV_LAUNCHER__
for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
  case "$name" in
    PIP_INDEX_URL | PIP_EXTRA_INDEX_URL | PIP_FIND_LINKS | PIP_NO_INDEX | PIP_TRUSTED_HOST | PIP_KEYRING_PROVIDER) ;;
    PIP_CERT | PIP_CLIENT_CERT | PIP_PROXY | PIP_TIMEOUT | PIP_DEFAULT_TIMEOUT | PIP_RETRIES | PIP_CONFIG_FILE) ;;
    PIPENV_PYPI_MIRROR | PIPENV_TIMEOUT | PIPENV_INSTALL_TIMEOUT | PIPENV_KEYRING_PROVIDER) ;;
    # Of tools/activate.
    PIPENV_PIPFILE | PIPENV_VENV_IN_PROJECT | PIPENV_IGNORE_VIRTUALENVS | PIPENV_DONT_LOAD_ENV | PIPENV_VERBOSITY) ;;
    PYTHONUNBUFFERED | PYTHONDONTWRITEBYTECODE) ;;
    NODE_EXTRA_CA_CERTS | NODE_USE_SYSTEM_CA | NODE_USE_ENV_PROXY | NODE_TLS_REJECT_UNAUTHORIZED) ;;
    PIP_* | PIPENV_* | PYTHON* | NODE_*) unset "$name" ;;
    GIT_DIR | GIT_WORK_TREE | GIT_INDEX_FILE | GIT_OBJECT_DIRECTORY | GIT_COMMON_DIR | GIT_NAMESPACE | GIT_PREFIX) unset "$name" ;;
    [Nn][Pp][Mm]_[Cc][Oo][Nn][Ff][Ii][Gg]_*)
      case "$(printf '%s' "${name#???_??????_}" | tr '[:upper:]' '[:lower:]')" in
        registry | ca | cafile | cert | key | proxy | https_proxy | noproxy | strict_ssl | userconfig | globalconfig) ;;
        fetch_* | maxsockets | local_address) ;;
        *) unset "$name" ;;
      esac
      ;;
  esac
done
unset name

if [ ! -d "${TMPDIR:-/tmp}" ] || [ ! -w "${TMPDIR:-/tmp}" ]; then
  unset TMPDIR
fi

# leave_checkout FOLDER: removes from the PATH what an earlier `. tools/activate` has added.
leave_checkout() {
  rest="$PATH:"
  # shellcheck disable=SC2123 # it is the search path that is meant
  PATH=''
  while [ -n "$rest" ]; do
    case "${rest%%:*}" in
      "$1"/.tools/* | "$1"/tools/* | "$1"/.venv/* | "$1"/node_modules/*) ;;
      *) PATH="$PATH${PATH:+:}${rest%%:*}" ;;
    esac
    rest="${rest#*:}"
  done
  unset rest
}

# Whether the home can be written, in which npm and cdktf keep what all checkouts share.
check_home() {
  if ! mkdir -p "${HOME:-/dev/null}/.cache" "${HOME:-/dev/null}/.terraform.d" 2>/dev/null; then
    echo "HOME, ${HOME:-which is not set}, can't be written, and cdktf needs it: export HOME=FOLDER" >&2
    return 1
  fi
}
