"""The command line: `rbmflow run`, `plan`, `status`, `show`, `report`, `doctor`, `cite`.

Exit codes: 0 everything went well; 1 a step failed, or the doctor found a fault; 2 bad input, and nothing was
written; 130 interrupted. Heavy imports happen inside commands, so that `--help` answers at once.
"""

from rbmflow.cli.arguments import main as main
