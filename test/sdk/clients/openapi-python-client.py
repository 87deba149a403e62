from uuid import UUID

from parley import AuthenticatedClient, Client
from parley.api.auth import register
from parley.api.chat import get_message, list_messages, send_message, stream_message
from parley.api.projects import create_project, get_project, update_project
from parley.api.prompts import create_project_prompt
from parley.models import (
    CreateProjectPromptRequest,
    CreateProjectRequest,
    CreateProjectRequestOnConflict,
    CreateProjectRequestOnCrash,
    Message,
    MessageDeltaEvent,
    MessagePage,
    ModelParams,
    Problem,
    Project,
    Prompt,
    RegisterRequest,
    SendMessageRequest,
    SignedIn,
    StreamMessageRequest,
    TextPart,
    TextPartType,
    Turn,
    TurnCompletedEvent,
    TurnStartedEvent,
    UpdateProjectRequest,
)
from parley.types import UNSET, Unset
from tell import EMAIL, FUTURE, NOWHERE, PASSWORD, SERVER, read_events, tell


def to_event(data: dict[str, str]) -> TurnStartedEvent | MessageDeltaEvent | TurnCompletedEvent:
    match data["type"]:
        case "turn.started":
            return TurnStartedEvent.from_dict(data)
        case "message.delta":
            return MessageDeltaEvent.from_dict(data)
        case _:
            return TurnCompletedEvent.from_dict(data)


signed_in = register.sync(client=Client(base_url=SERVER), body=RegisterRequest(email=EMAIL, password=PASSWORD))
assert isinstance(signed_in, SignedIn), signed_in
client = AuthenticatedClient(base_url=SERVER, token=signed_in.access_token)
tell("register", email=signed_in.user.email)

project = create_project.sync(
    client=client,
    body=CreateProjectRequest(
        name="Guide",
        on_conflict=CreateProjectRequestOnConflict.QUEUE,
        on_crash=CreateProjectRequestOnCrash.KEEP,
        params=ModelParams(temperature=0.2),
    ),
)
assert isinstance(project, Project), project
tell("project", name=project.name, on_conflict=project.on_conflict, temperature=project.params.temperature)

prompt = create_project_prompt.sync(
    project.id, client=client, body=CreateProjectPromptRequest(content="You know Lisbon.")
)
assert isinstance(prompt, Prompt), prompt
tell("prompt", content=prompt.content, position=prompt.position)

turn = send_message.sync(
    client=client, body=SendMessageRequest(project_id=project.id, message="What should I see?")
)
assert isinstance(turn, Turn), turn
answer = turn.assistant_message
part = answer.parts[0]
tell("turn", text=answer.text, status=answer.status, part=part.text if isinstance(part, TextPart) else None)

# The library reads a response to its end before it looks at it, so the request is sent by the HTTP client that it uses.
body = StreamMessageRequest(
    session_id=turn.session_id, parts=[TextPart(type_=TextPartType.TEXT, text="And then?")]
)
with client.get_httpx_client().stream(**stream_message._get_kwargs(body=body)) as response:
    events = [to_event(data) for data in read_events(response.iter_lines())]
deltas = [event.text for event in events if isinstance(event, MessageDeltaEvent)]
tell("stream", first=events[0].type_, last=events[-1].type_, text="".join(deltas))

seen: set[UUID] = set()
pages = 0
cursor: str | Unset | None = UNSET
while cursor is not None:
    page = list_messages.sync(turn.session_id, client=client, limit=3, cursor=cursor)
    assert isinstance(page, MessagePage), page
    pages += 1
    seen.update(message.id for message in page.data)
    cursor = page.next_cursor
tell("pages", pages=pages, messages=len(seen))

invalid = send_message.sync(client=client, body=SendMessageRequest(message="Where?"))
assert isinstance(invalid, Problem) and not isinstance(invalid.errors, Unset), invalid
tell("invalid", status=invalid.status, code=invalid.code, pointer=invalid.errors[0].pointer)

missing = get_project.sync(UUID(NOWHERE), client=client)
assert isinstance(missing, Problem), missing
tell("missing", status=missing.status, code=missing.code)

renamed = update_project.sync(project.id, client=client, body=UpdateProjectRequest(name="Guide to Lisbon"))
assert isinstance(renamed, Project), renamed
tell("patch", name=renamed.name, on_conflict=renamed.on_conflict)

future = AuthenticatedClient(base_url=FUTURE, token=signed_in.access_token)
later = get_message.sync(answer.id, client=future)
problem = get_project.sync(UUID(NOWHERE), client=future)
assert isinstance(later, Message) and isinstance(problem, Problem), (later, problem)
tell("future", status=later.status, finish_reason=later.finish_reason, text=later.text, code=problem.code)
