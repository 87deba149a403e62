package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"play/parley"
)

const nowhere = "00000000-0000-7000-8000-000000000000"

// tell reports what a step has read out of the generated types, as one line of JSON.
func tell(step string, facts map[string]any) {
	line, err := json.Marshal(facts)
	check(err)
	fmt.Printf("{\"step\":%q,%s\n", step, strings.TrimPrefix(string(line), "{"))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func at(variable string) *parley.APIClient {
	configuration := parley.NewConfiguration()
	configuration.Servers = parley.ServerConfigurations{{URL: os.Getenv(variable)}}
	return parley.NewAPIClient(configuration)
}

// problemOf returns the problem of an answer that must be an error.
func problemOf(err error) parley.Problem {
	var answer *parley.GenericOpenAPIError
	if errors.As(err, &answer) {
		if problem, ok := answer.Model().(parley.Problem); ok {
			return problem
		}
	}
	check(fmt.Errorf("a problem was expected: %w", err))
	panic("unreachable")
}

// readStream reads the events of a body. The generated code reads the body to its end first.
func readStream(body *bufio.Scanner) []parley.TurnEvent {
	events := []parley.TurnEvent{}
	for body.Scan() {
		data, isData := strings.CutPrefix(body.Text(), "data:")
		if !isData {
			continue
		}
		var event parley.TurnEvent
		check(json.Unmarshal([]byte(data), &event))
		events = append(events, event)
	}
	check(body.Err())
	return events
}

func typeOf(event parley.TurnEvent) string {
	switch {
	case event.TurnStartedEvent != nil:
		return event.TurnStartedEvent.Type
	case event.MessageDeltaEvent != nil:
		return event.MessageDeltaEvent.Type
	case event.TurnCompletedEvent != nil:
		return event.TurnCompletedEvent.Type
	}
	return "another"
}

func main() {
	client := at("PARLEY_URL")
	ctx := context.Background()

	registration := *parley.NewRegisterRequest(os.Getenv("PARLEY_EMAIL"), "correct horse battery")
	signedIn, _, err := client.AuthAPI.Register(ctx).RegisterRequest(registration).Execute()
	check(err)
	ctx = context.WithValue(ctx, parley.ContextAccessToken, signedIn.AccessToken)
	tell("register", map[string]any{"email": signedIn.User.Email})

	creation := *parley.NewCreateProjectRequest("Guide")
	creation.SetOnConflict("queue")
	creation.SetOnCrash("keep")
	params := parley.NewModelParams()
	params.SetTemperature(0.2)
	creation.SetParams(*params)
	project, _, err := client.ProjectsAPI.CreateProject(ctx).CreateProjectRequest(creation).Execute()
	check(err)
	tell("project", map[string]any{
		"name": project.Name, "on_conflict": project.OnConflict, "temperature": project.Params.GetTemperature(),
	})

	writing := *parley.NewCreateProjectPromptRequest("You know Lisbon.")
	prompt, _, err := client.PromptsAPI.CreateProjectPrompt(ctx, project.Id).CreateProjectPromptRequest(writing).Execute()
	check(err)
	tell("prompt", map[string]any{"content": prompt.Content, "position": prompt.Position})

	question := *parley.NewSendMessageRequest()
	question.SetProjectId(project.Id)
	question.SetMessage("What should I see?")
	turn, _, err := client.ChatAPI.SendMessage(ctx).SendMessageRequest(question).Execute()
	check(err)
	answer := turn.AssistantMessage
	tell("turn", map[string]any{"text": answer.Text, "status": answer.Status, "part": answer.Parts[0].TextPart.Text})

	next := *parley.NewStreamMessageRequest()
	next.SetSessionId(turn.SessionId)
	next.SetParts([]parley.ContentPart{parley.TextPartAsContentPart(parley.NewTextPart("text", "And then?"))})
	_, response, _ := client.ChatAPI.StreamMessage(ctx).StreamMessageRequest(next).Execute()
	events := readStream(bufio.NewScanner(response.Body))
	text := ""
	for _, event := range events {
		if event.MessageDeltaEvent != nil {
			text += event.MessageDeltaEvent.Text
		}
	}
	tell("stream", map[string]any{"first": typeOf(events[0]), "last": typeOf(events[len(events)-1]), "text": text})

	seen := map[string]bool{}
	pages := 0
	for cursor := ""; pages == 0 || cursor != ""; pages++ {
		request := client.ChatAPI.ListMessages(ctx, turn.SessionId).Limit(3)
		if cursor != "" {
			request = request.Cursor(cursor)
		}
		page, _, err := request.Execute()
		check(err)
		for _, message := range page.Data {
			seen[message.Id] = true
		}
		cursor = page.GetNextCursor()
	}
	tell("pages", map[string]any{"pages": pages, "messages": len(seen)})

	lost := *parley.NewSendMessageRequest()
	lost.SetMessage("Where?")
	_, _, err = client.ChatAPI.SendMessage(ctx).SendMessageRequest(lost).Execute()
	invalid := problemOf(err)
	tell("invalid", map[string]any{
		"status": invalid.Status, "code": invalid.Code, "pointer": invalid.Errors[0].Pointer,
	})

	_, _, err = client.ProjectsAPI.GetProject(ctx, nowhere).Execute()
	missing := problemOf(err)
	tell("missing", map[string]any{"status": missing.Status, "code": missing.Code})

	change := *parley.NewUpdateProjectRequest()
	change.SetName("Guide to Lisbon")
	renamed, _, err := client.ProjectsAPI.UpdateProject(ctx, project.Id).UpdateProjectRequest(change).Execute()
	check(err)
	tell("patch", map[string]any{"name": renamed.Name, "on_conflict": renamed.OnConflict})

	future := at("PARLEY_FUTURE_URL")
	later, _, err := future.ChatAPI.GetMessage(ctx, answer.Id).Execute()
	check(err)
	_, _, err = future.ProjectsAPI.GetProject(ctx, nowhere).Execute()
	tell("future", map[string]any{
		"status": later.Status, "finish_reason": later.FinishReason.Get(), "text": later.Text, "code": problemOf(err).Code,
	})
}
