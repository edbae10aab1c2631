#!/bin/sh
# Load invented histories into a throw-away database and ask about them. Run it with `make demo`.
set -eu
cd "$(dirname "$0")"
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1;36m') dim=$(printf '\033[2m') off=$(printf '\033[0m'); else bold='' dim='' off=''; fi

say() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
ask() {  # show a command as you would type it, then run it; exit code 1 only says that there are findings
    printf '%s$ career-ledger' "$dim"
    for word in "$@"; do case $word in *[!A-Za-z0-9_./:=-]*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac; done
    printf '%s\n' "$off"
    career-ledger "$@" || [ $? -eq 1 ]
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/career-ledger-demo.XXXXXX")
export CAREER_LEDGER_DB="sqlite:///$folder/demo.db"

say "1. Histories from before, imported as they happened; then this year's, under the rules"
ask append imported.jsonl --mode record
ask append current.jsonl

say "2. S-DEMO-01 has not paid the first instalment, due on 17 February. How does she stand on 20 March?"
ask status S-DEMO-01 --on 2026-03-20
ask fees S-DEMO-01 --on 2026-03-20

say "3. May she book an exam on that day, and if not, why?"
ask eligibility S-DEMO-01 --career B --course LIN-110 --held-on 2026-04-10 --session extraordinary --academic-year 2025-26 \
    --calls-start-on 2026-04-01 --mode oral --on 2026-03-20

say "4. The same question about a day after she paid, 20 April"
ask eligibility S-DEMO-01 --career B --course LIN-110 --held-on 2026-06-22 --session summer --academic-year 2025-26 \
    --calls-start-on 2026-06-08 --opens-on 2026-04-15 --mode oral --on 2026-04-21

say "5. But the office learned of that payment only on 23 April: the same question, as known the day before"
ask eligibility S-DEMO-01 --career B --course LIN-110 --held-on 2026-06-22 --session summer --academic-year 2025-26 \
    --calls-start-on 2026-06-08 --opens-on 2026-04-15 --mode oral --on 2026-04-21 --known-at 2026-04-22T12:00:00Z

say "6. What her events changed, one by one"
ask history S-DEMO-01

say "7. A master's enrolment with reservation that failed: its money went to the bachelor's renewal"
ask status S-DEMO-11 --on 2026-05-10
ask fees S-DEMO-11 --on 2026-05-10

say "8. The rule in question, and its source"
ask rules cite BLK-1

say "9. What was recorded against the rules, and who allowed an exception"
ask audit --on 2026-10-31

say "The ledger stays at $folder/demo.db until you delete it. Next:"
cat <<END
  export PATH="$(cd .. && pwd)/.venv/bin:\$PATH" CAREER_LEDGER_DB=$CAREER_LEDGER_DB
  career-ledger status S-DEMO-10 --on 2026-03-13     # a withdrawal that lapsed
  career-ledger fees S-DEMO-15 --on 2026-06-01       # an instalment plan, and a payment that was voided
  career-ledger rules diff 2019-20 2025-26           # what changed between the two years
  career-ledger serve                                # the same answers in a browser and over HTTP
  career-ledger --help
Then read README.md: "Your first events".
END

# a person looks on; a pipe and a machine do not wait
if [ -t 1 ] && [ -z "${CI:-}" ]; then
    say "The console: the same in a browser, until you press Ctrl-C. Open the address that ends in /login and give the code that stands behind it."
    career-ledger project --follow >/dev/null 2>&1 &
    trap "kill $! 2>/dev/null || :" EXIT
    trap : INT
    ask serve --listen 127.0.0.1:0
fi
