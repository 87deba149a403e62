import json
from collections.abc import Callable
from uuid import UUID

import parley
from parley import ApiException, Configuration, ContentPart, Problem, TextPart, TurnEvent
from tell import EMAIL, FUTURE, NOWHERE, PASSWORD, SERVER, read_events, tell


def problem_of(call: Callable[[], object]) -> Problem:
    try:
        raise AssertionError(f"an error was expected: {call()}")
    except ApiException as error:
        problem = Problem.from_json(error.body or "")
        assert problem is not None
        return problem


anyone = parley.AuthApi(parley.ApiClient(Configuration(host=SERVER)))
signed_in = anyone.register(parley.RegisterRequest(email=EMAIL, password=PASSWORD))
client = parley.ApiClient(Configuration(host=SERVER, access_token=signed_in.access_token))
projects = parley.ProjectsApi(client)
chat = parley.ChatApi(client)
tell("register", email=signed_in.user.email)

project = projects.create_project(
    parley.CreateProjectRequest(
        name="Guide", on_conflict="queue", on_crash="keep", params=parley.ModelParams(temperature=0.2)
    )
)
tell(
    "project",
    name=project.name,
    on_conflict=project.on_conflict.actual_instance,
    temperature=project.params.temperature,
)

prompt = parley.PromptsApi(client).create_project_prompt(
    project.id, parley.CreateProjectPromptRequest(content="You know Lisbon.")
)
tell("prompt", content=prompt.content, position=prompt.position)

turn = chat.send_message(parley.SendMessageRequest(project_id=project.id, message="What should I see?"))
answer = turn.assistant_message
part = answer.parts[0].actual_instance
tell(
    "turn",
    text=answer.text,
    status=answer.status.actual_instance,
    part=part.text if isinstance(part, TextPart) else None,
)

response = chat.stream_message_without_preload_content(
    parley.StreamMessageRequest(
        session_id=turn.session_id, parts=[ContentPart(TextPart(type="text", text="And then?"))]
    )
)
lines = (line.decode() for line in response)
events = [TurnEvent.from_json(json.dumps(data)).actual_instance for data in read_events(lines)]
deltas = [event.text for event in events if isinstance(event, parley.MessageDeltaEvent)]
first, last = events[0], events[-1]
assert first is not None and last is not None
tell("stream", first=first.type, last=last.type, text="".join(deltas))

seen: set[UUID] = set()
pages = 0
cursor = None
while pages == 0 or cursor is not None:
    page = chat.list_messages(turn.session_id, limit=3, cursor=cursor)
    pages += 1
    seen.update(message.id for message in page.data)
    cursor = page.next_cursor
tell("pages", pages=pages, messages=len(seen))

invalid = problem_of(lambda: chat.send_message(parley.SendMessageRequest(message="Where?")))
assert invalid.errors is not None
tell("invalid", status=invalid.status, code=invalid.code.actual_instance, pointer=invalid.errors[0].pointer)

missing = problem_of(lambda: projects.get_project(UUID(NOWHERE)))
tell("missing", status=missing.status, code=missing.code.actual_instance)

renamed = projects.update_project(project.id, parley.UpdateProjectRequest(name="Guide to Lisbon"))
tell("patch", name=renamed.name, on_conflict=renamed.on_conflict.actual_instance)

later_client = parley.ApiClient(Configuration(host=FUTURE, access_token=signed_in.access_token))
later = parley.ChatApi(later_client).get_message(answer.id)
problem = problem_of(lambda: parley.ProjectsApi(later_client).get_project(UUID(NOWHERE)))
assert later.finish_reason is not None
tell(
    "future",
    status=later.status.actual_instance,
    finish_reason=later.finish_reason.actual_instance,
    text=later.text,
    code=problem.code.actual_instance,
)
