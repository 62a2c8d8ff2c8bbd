#!/usr/bin/env bash
# make docs: builds the documentation as a site, into site/: setup/docs.sh [FOLDER [CONFIGURATION]].
#
# Rule: .cache/docs-venv/.made is written last and holds a digest of the locked packages, as for .venv (setup/python.sh).

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly VENV=$ROOT/.cache/docs-venv STAMP=$ROOT/.cache/docs-venv/.made

digest() { { printf '%s\n' "$ROOT" && cat requirements/docs.txt; } | sha256sum | cut -d' ' -f1; }

is_up_to_date() { [[ -f $STAMP && $(<"$STAMP") == "$(digest)" ]] && "$VENV/bin/python" -c '' 2>/dev/null; }

install_locked() {
  "$VENV/bin/python" -m pip --disable-pip-version-check --no-input install --require-hashes --only-binary :all: \
    -r requirements/docs.txt
}

remove_if_incomplete() { [[ -f $STAMP ]] || rm -rf "$VENV"; }

make_environment() {
  setup/python.sh run
  at_exit remove_if_incomplete
  rm -f "$STAMP"
  step docs-venv "Making the Python environment of the site" .venv/bin/python -m venv --clear "$VENV"
  step docs-pip "Installing the locked Python packages (docs)" install_locked || fail \
    "The packages that build the site could not be installed." \
    "See the lines above; check the package index of pip and its certificate (PIP_CERT), then run make $GOAL again."
  digest >"$STAMP"
}

# Not with --quiet: it drops the warnings before --strict counts them (mkdocs 1.6). The variable turns off a notice about
# the theme's successor, which mkdocs.yml names.
build() { NO_MKDOCS_2_WARNING=1 "$VENV/bin/mkdocs" build --strict --clean --site-dir "$1" --config-file "$2"; }

lock_clone
is_up_to_date || make_environment
folder=$(readlink -m -- "${1:-site}")
step docs "Building the site" build "$folder" "${2:-mkdocs.yml}" || fail "The site could not be built." \
  "The lines above name the page and the link; setup/lint_links.py checks the links alone."
print_success "The site is at $folder/index.html"
