"""outcomes.py LASTTEST.log MODULE...: how each test of these live modules went, from the log of ctest, a line each."""

import re
import sys

BEGINS = re.compile(r"^(test_\w+) \(__main__\.(\w+)")
ENDS = re.compile(r"(?:^|\.\.\. |\s)(ok|FAIL|ERROR|skipped .*)$")  # what a test prints itself may stand before it


def outcomes(lines):
    """(module, class.test, outcome) in the order of the log."""
    module = test = None
    for line in lines:
        if test and re.match(r"^\d+/\d+ Testing: ", line):
            yield module, test, "did not end"
        if began := re.match(r"^\d+/\d+ Testing: live\.(\w+)", line):
            module, test = began[1], None
        elif re.match(r"^\d+/\d+ Testing: ", line):
            module = test = None
        elif module and (began := BEGINS.match(line)):
            test = f"{began[2]}.{began[1]}"
        if test and (ended := ENDS.search(line.rstrip("\n"))):
            yield module, test, ended[1]
            test = None


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        found = [each for each in outcomes(log) if each[0] in sys.argv[2:]]
    for module, test, outcome in found:
        print(f"{module.removeprefix('test_'):14} {test.partition('.')[2].removeprefix('test_').replace('_', ' '):100} {outcome}")
    print(f"{len(found)} faults and attacks: {sum(outcome == 'ok' for *_, outcome in found)} ok, "
          f"{sum(outcome.startswith('skipped') for *_, outcome in found)} skipped, "
          f"{sum(outcome in ('FAIL', 'ERROR', 'did not end') for *_, outcome in found)} failed")


main()
