"""Which agents there are: every active workflow is one, and one more has all of them as its skills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from api.a2a.cards import Agent, Skill
from api.a2a.errors import A2AError, Code
from api.a2a.extensions import declared
from api.a2a.files import takes_files
from api.a2a.sending import Asked
from api.schemas import WorkflowsQuery
from api.wiring import Wired
from engine.errors import NotFound
from engine.ports import WorkflowRow

ACTIVE: Final = "active"
MOST_SKILLS = 1000
NAME, ABOUT = "Clew", "Runs workflows: every skill is one."


async def workflow_of(server: Wired, name: str) -> WorkflowRow:
    """The active workflow that is an agent of this name. Raises NotFound."""
    row = await server.workflows.get(name)
    if row.status != ACTIVE:
        raise NotFound(f"the workflow '{name[:80]}' is {row.status}: only an active one is an agent")
    return row


async def agent_of(server: Wired, name: str | None) -> Agent:
    """The agent of a workflow, or the one of all of them. Raises NotFound."""
    if name is not None:
        return agent_for(server, await workflow_of(server, name))
    guarded = server.settings.token is not None
    page = await server.workflows.page(WorkflowsQuery(status=ACTIVE, limit=MOST_SKILLS))
    skills = tuple(sorted(map(skill_of, page.items), key=lambda skill: skill.id))
    version = str(max((row.version for row in page.items), default=0))
    return Agent(
        base=server.base_url, path="/a2a", name=NAME, description=ABOUT, version=version, skills=skills, guarded=guarded
    )


def agent_for(server: Wired, row: WorkflowRow) -> Agent:
    """The agent of a workflow."""
    skill = skill_of(row)
    return Agent(
        base=server.base_url,
        path=f"/a2a/{quote(row.id, safe='')}",
        name=skill.name,
        description=skill.description,
        version=str(row.version),
        skills=(skill,),
        guarded=server.settings.token is not None,
        extensions=declared(row.document),
    )


def skill_of(row: WorkflowRow) -> Skill:
    """What a workflow can do, in its own words."""
    document: Mapping[str, Any] = row.document
    name = document.get("name") or row.id
    return Skill(
        id=row.id,
        name=str(name),
        description=str(document.get("description") or f"The workflow {name}."),
        tags=tuple(str(tag) for tag in document.get("tags") or ()),
        input_schema=document.get("input_schema") or {},
        takes_files=takes_files(document),
    )


async def meant(server: Wired, asked: Asked) -> WorkflowRow:
    """The workflow that a first message to the agent of all is for: the skill that it names. Raises A2AError."""
    agent = await agent_of(server, None)
    known = [skill.id for skill in agent.skills]
    wanted = asked.skill or (known[0] if len(known) == 1 else None)
    if wanted not in known:
        shown = ", ".join(known[:20]) or "none"
        why = f"name one of the skills in metadata.skillId: {shown}"
        raise A2AError(Code.INVALID_PARAMS, why, [("message.metadata.skillId", why)])
    return await workflow_of(server, wanted)
