# Recipes call the scripts of the repository; nothing is done here that they do not do.

# Lists the recipes
default:
    @just --list

# Formatting, lints, tests, documentation; skips tests whose programs are missing
test:
    tests/run

# Installs what all tests need (Debian, root)
install:
    tests/install

# Everything that a change has to pass, with nothing skipped
ci:
    CI=true .ci/run

# One benchmark, such as `just bench publish --quick`
bench name *arguments:
    cargo bench --locked --bench {{name}} -- {{arguments}}

# Fuzzes every target, or these, for so many seconds each
fuzz seconds *targets:
    fuzz/run {{seconds}} {{targets}}

# Accepts the digests as they look now
accept:
    INSTA_UPDATE=always cargo test --locked --test it -- digest::

# Licenses, sources and duplicates of the dependencies (cargo install cargo-deny)
deny:
    cargo deny --locked check bans licenses sources
