#!/usr/bin/env bash
# make dist: what is published of the command, in dist/ or in the folder that is given: setup/dist.sh [DIRECTORY].
#
#   cloison-VERSION.tar.gz, cloison-VERSION-py3-none-any.whl    the source distribution, and the wheel that is built from it
#   cloison-VERSION.cdx.json                                    the SBOM of the locked packages (CycloneDX)
#   cloison-VERSION.provenance.json                             digests, commit and builder (in-toto, SLSA), unsigned
#   SHA256SUMS                                                  of all of them
#
# Rules:
#   - The same commit gives the same bytes: times are those of the commit, and only files that git knows are built.
#   - Nothing in the directory changes before all of them are made.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

TARGET=$(realpath -m -- "${1:-dist}")
WORK=''

remove_work() { [[ -z $WORK ]] || rm -rf "$WORK"; }

# Files that git does not know, in a folder of a package, would become part of it.
copy_sources() {
  mkdir -p "$WORK/source" "$WORK/made"
  git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [[ ! -e $file ]] || printf '%s\0' "$file"
  done | tar --create --null --files-from=- | tar --extract --directory="$WORK/source"
}

# From the help, so it is not in git. Lanes of make test build at the same time: the page in man/ is never a part of one.
make_man_page() {
  mkdir -p man "$WORK/source/man" && .venv/bin/python setup/man.py >"$WORK/cloison.1" &&
    install -m 644 "$WORK/cloison.1" "man/.$$" && mv "man/.$$" man/cloison.1 && mv "$WORK/cloison.1" "$WORK/source/man/"
}

tree_state() { if [[ -z $(git status --porcelain) ]]; then echo clean; else echo modified; fi; }

# Both build backends, hatchling and its plug-in, are locked in requirements/build.txt and installed already.
build() { "$ROOT/.venv/bin/python" -m build --no-isolation --outdir "$WORK/made" "$WORK/source"; }

check() { .venv/bin/twine check --strict "$WORK"/made/*.{whl,tar.gz}; }

describe() { # VERSION
  .venv/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON \
    -o "$WORK/made/cloison-$1.cdx.json" requirements/run.txt &&
    .venv/bin/python setup/provenance.py --commit "$(git rev-parse HEAD)" --tree "$(tree_state)" "$WORK"/made/* \
      >"$WORK/provenance.json" &&
    mv "$WORK/provenance.json" "$WORK/made/cloison-$1.provenance.json" &&
    (cd "$WORK/made" && sha256sum -- * >"$WORK/SHA256SUMS") && mv "$WORK/SHA256SUMS" "$WORK/made/"
}

made_version() { basename "$WORK"/made/cloison-*.tar.gz .tar.gz | cut -d- -f2-; }

deliver() {
  mkdir -p "$TARGET"
  rm -f "$TARGET"/cloison-*.{whl,tar.gz,json} "$TARGET/SHA256SUMS"
  mv "$WORK"/made/* "$TARGET"
}

lock_clone
run_in_foreground setup/python.sh dev
git rev-parse --verify --quiet HEAD >/dev/null || fail \
  "This folder is no clone of git, and times and digests of a distribution are those of a commit." "Clone the repository, then run make dist there."
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
WORK=$(mktemp -d)
at_exit remove_work
[[ $(tree_state) == clean ]] || say "The files differ from the last commit; the provenance statement says so."
copy_sources
step dist-man "Making the manual page" make_man_page || fail "The manual page could not be made." "See the lines above."
step dist-build "Building the source distribution and the wheel" build || fail \
  "The distribution could not be built." "See the lines above."
step dist-check "Checking their metadata" check || fail "The metadata would be rejected." "See the lines above and pyproject.toml."
step dist-describe "Describing their content and origin" describe "$(made_version)" || fail \
  "SBOM and provenance could not be made." "See the lines above."
deliver
print_success "$TARGET: $(cd "$TARGET" && echo cloison-* SHA256SUMS)"
