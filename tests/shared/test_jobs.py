"""Every kind of job has what goes with it, so that the tests of all kinds leave none out."""

from typing import get_args

from shared.events import answer_of
from shared.jobs import Job, is_id
from tests.factories import examples


def test_there_is_an_example_of_each_kind() -> None:
    jobs, ends = zip(*examples(), strict=True)
    assert {type(job) for job in jobs} == set(get_args(Job))
    assert all(is_id(job.job_id) for job in jobs)
    assert len({job.job_id[0] for job in jobs}) == len(jobs), "an id tells the kind"
    assert all(job.job_id.startswith(f"{job.letter}-") for job in jobs)
    assert [type(end) for end in ends] == [answer_of(type(job)) for job in jobs]
    assert len({end.kind for end in ends}) == len(ends)
