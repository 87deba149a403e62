import java.io.IOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import okhttp3.Response;
import okio.BufferedSource;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.JSON;
import org.openapitools.client.api.AuthApi;
import org.openapitools.client.api.ChatApi;
import org.openapitools.client.api.ProjectsApi;
import org.openapitools.client.api.PromptsApi;
import org.openapitools.client.model.ContentPart;
import org.openapitools.client.model.CreateProjectPromptRequest;
import org.openapitools.client.model.CreateProjectRequest;
import org.openapitools.client.model.Message;
import org.openapitools.client.model.MessageDeltaEvent;
import org.openapitools.client.model.MessagePage;
import org.openapitools.client.model.ModelParams;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.Project;
import org.openapitools.client.model.Prompt;
import org.openapitools.client.model.RegisterRequest;
import org.openapitools.client.model.SendMessageRequest;
import org.openapitools.client.model.SignedIn;
import org.openapitools.client.model.StreamMessageRequest;
import org.openapitools.client.model.TextPart;
import org.openapitools.client.model.Turn;
import org.openapitools.client.model.TurnCompletedEvent;
import org.openapitools.client.model.TurnEvent;
import org.openapitools.client.model.TurnStartedEvent;
import org.openapitools.client.model.UpdateProjectRequest;

public final class Play {
  private static final UUID NOWHERE = UUID.fromString("00000000-0000-7000-8000-000000000000");

  private Play() {}

  public static void main(String[] args) throws Exception {
    ApiClient client = at("PARLEY_URL");
    SignedIn signedIn = new AuthApi(client)
        .register(new RegisterRequest().email(System.getenv("PARLEY_EMAIL")).password("correct horse battery"));
    client.setBearerToken(signedIn.getAccessToken());
    tell("register", "email", signedIn.getUser().getEmail());

    ProjectsApi projects = new ProjectsApi(client);
    ChatApi chat = new ChatApi(client);
    Project project = projects.createProject(
        new CreateProjectRequest()
            .name("Guide")
            .onConflict(CreateProjectRequest.OnConflictEnum.QUEUE)
            .onCrash(CreateProjectRequest.OnCrashEnum.KEEP)
            .params(new ModelParams().temperature(new BigDecimal("0.2"))),
        null);
    tell("project", "name", project.getName(), "on_conflict", project.getOnConflict().getActualInstance(),
        "temperature", project.getParams().getTemperature());

    Prompt prompt = new PromptsApi(client)
        .createProjectPrompt(project.getId(), new CreateProjectPromptRequest().content("You know Lisbon."), null);
    tell("prompt", "content", prompt.getContent(), "position", prompt.getPosition());

    Turn turn = chat.sendMessage(
        new SendMessageRequest().projectId(project.getId()).message("What should I see?"), null);
    Message answer = turn.getAssistantMessage();
    tell("turn", "text", answer.getText(), "status", answer.getStatus().getActualInstance(),
        "part", answer.getParts().get(0).getTextPart().getText());

    ContentPart part = new ContentPart(new TextPart().type(TextPart.TypeEnum.TEXT).text("And then?"));
    List<Object> events = stream(chat, new StreamMessageRequest().sessionId(turn.getSessionId()).addPartsItem(part));
    StringBuilder text = new StringBuilder();
    for (Object event : events) {
      if (event instanceof MessageDeltaEvent) text.append(((MessageDeltaEvent) event).getText());
    }
    tell("stream", "first", ((TurnStartedEvent) events.get(0)).getType().getValue(),
        "last", ((TurnCompletedEvent) events.get(events.size() - 1)).getType().getValue(), "text", text.toString());

    Set<UUID> seen = new HashSet<>();
    int pages = 0;
    String cursor = null;
    do {
      MessagePage page = chat.listMessages(turn.getSessionId(), 3, cursor, null, null, null);
      pages += 1;
      page.getData().forEach(message -> seen.add(message.getId()));
      cursor = page.getNextCursor();
    } while (cursor != null);
    tell("pages", "pages", pages, "messages", seen.size());

    Problem invalid = problemOf(() -> chat.sendMessage(new SendMessageRequest().message("Where?"), null));
    tell("invalid", "status", invalid.getStatus(), "code", invalid.getCode().getActualInstance(),
        "pointer", invalid.getErrors().get(0).getPointer());

    Problem missing = problemOf(() -> projects.getProject(NOWHERE));
    tell("missing", "status", missing.getStatus(), "code", missing.getCode().getActualInstance());

    Project renamed =
        projects.updateProject(project.getId(), new UpdateProjectRequest().name("Guide to Lisbon"), null, null);
    tell("patch", "name", renamed.getName(), "on_conflict", renamed.getOnConflict().getActualInstance());

    ApiClient future = at("PARLEY_FUTURE_URL");
    future.setBearerToken(signedIn.getAccessToken());
    Message later = new ChatApi(future).getMessage(answer.getId());
    Problem problem = problemOf(() -> new ProjectsApi(future).getProject(NOWHERE));
    tell("future", "status", later.getStatus().getActualInstance(),
        "finish_reason", later.getFinishReason().getActualInstance(),
        "text", later.getText(), "code", problem.getCode().getActualInstance());
    System.exit(0);
  }

  private static ApiClient at(String variable) {
    return new ApiClient().setBasePath(System.getenv(variable));
  }

  /** Reads the events as they come: the generated call can be executed by hand. */
  private static List<Object> stream(ChatApi chat, StreamMessageRequest request) throws ApiException, IOException {
    List<Object> events = new ArrayList<>();
    try (Response response = chat.streamMessageCall(request, null, null).execute()) {
      BufferedSource source = response.body().source();
      for (String line = source.readUtf8Line(); line != null; line = source.readUtf8Line()) {
        if (line.startsWith("data:")) events.add(TurnEvent.fromJson(line.substring(5)).getActualInstance());
      }
    }
    return events;
  }

  private interface Ask {
    Object send() throws ApiException;
  }

  /** The problem of an answer that must be an error. */
  private static Problem problemOf(Ask ask) throws IOException {
    try {
      throw new IllegalStateException("an error was expected: " + ask.send());
    } catch (ApiException error) {
      return Problem.fromJson(error.getResponseBody());
    }
  }

  /** Reports what a step has read out of the generated types, as one line of JSON. */
  private static void tell(String step, Object... facts) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("step", step);
    for (int i = 0; i < facts.length; i += 2) line.put((String) facts[i], facts[i + 1]);
    System.out.println(JSON.getGson().toJson(line));
  }
}
