# The study's ledger, which carries Snakemake's records with the results, and what a run says it has made.
from equimorph.lineage.ledger import Ledger

LEDGER = Ledger(Path(), STUDY)


def give_back_records():
    """Give Snakemake the records that came with the results, in a clone or from another branch."""
    if workflow.is_main_process:
        try:
            LEDGER.give_back()
        except InputError as error:
            raise WorkflowError(str(error)) from None


def close_ledger():
    """Write the records of this run down where they travel with the results."""
    try:
        LEDGER.close(SOURCE)
    except InputError as error:
        logger.warning(f"{LEDGER.path} is not written: {error}")


give_back_records()


def announced(dag):
    """What a run has made that one opens next, a line each; nothing that lay there before."""
    made = {str(path) for job in dag.finished_jobs for path in job.output}
    landmarks = {
        SPLIT_CSV: f"Data: {DATA}",
        f"{RESULTS}/search/best.yaml": f"Search: {RESULTS}/search",
        f"{RESULTS}/report.html": f"Report: {RESULTS}/report.html",
    }
    return [line for path, line in landmarks.items() if path in made]


onstart:
    look_for_jobs_once()
    LEDGER.open()


onsuccess:
    close_ledger()
    for line in announced(workflow.dag):
        print(line)


onerror:
    close_ledger()
