import { Injectable, NotFoundException } from '@nestjs/common';
import OpenAI from 'openai';
import { DataSource, type Repository } from 'typeorm';
import type { SendMessageDto } from './chat.dto.js';
import { ChatSession, Message, Project, Prompt, type User } from './entities.js';

type ModelMessages = OpenAI.ChatCompletionMessageParam[];

/** The turn as a first Nest project writes it: one repository call after the other. */
@Injectable()
export class ChatService {
  private readonly openai = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });
  private readonly model = process.env.OPENAI_MODEL as string;
  private readonly historyMessages = Number(process.env.HISTORY_MESSAGES);
  private readonly projects: Repository<Project>;
  private readonly prompts: Repository<Prompt>;
  private readonly sessions: Repository<ChatSession>;
  private readonly messages: Repository<Message>;

  constructor(dataSource: DataSource) {
    this.projects = dataSource.getRepository(Project);
    this.prompts = dataSource.getRepository(Prompt);
    this.sessions = dataSource.getRepository(ChatSession);
    this.messages = dataSource.getRepository(Message);
  }

  async begin(user: User, dto: SendMessageDto): Promise<{ question: Message; context: ModelMessages }> {
    const project = await this.projects.findOneBy({ id: dto.project_id, userId: user.id });
    if (project === null) throw new NotFoundException('Project not found');
    const session = await this.findOrCreateSession(project, dto.session_id);
    const prompts = await this.prompts.find({ where: { projectId: project.id }, order: { position: 'ASC' } });
    const history = await this.messages.find({
      where: { sessionId: session.id },
      order: { createdAt: 'DESC' },
      take: this.historyMessages,
    });
    const question = await this.messages.save(
      this.messages.create({ sessionId: session.id, role: 'user', content: dto.message }),
    );
    const context: ModelMessages = [
      ...prompts.map(({ content }) => ({ role: 'system' as const, content })),
      ...history.reverse().map(({ role, content }) => ({ role, content })),
      { role: 'user', content: dto.message },
    ];
    return { question, context };
  }

  async answer(question: Message, context: ModelMessages): Promise<Message> {
    const { model, choices, usage } = await this.openai.chat.completions.create({
      model: this.model,
      messages: context,
    });
    return this.save(question, choices[0]?.message.content ?? '', model, usage);
  }

  async streamAnswer(question: Message, context: ModelMessages, onText: (text: string) => void): Promise<Message> {
    const chunks = await this.openai.chat.completions.create({
      model: this.model,
      messages: context,
      stream: true,
      stream_options: { include_usage: true },
    });
    let content = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of chunks) {
      const text = chunk.choices[0]?.delta.content ?? '';
      content += text;
      usage = chunk.usage ?? usage;
      if (text !== '') onText(text);
    }
    return this.save(question, content, this.model, usage);
  }

  private async findOrCreateSession(project: Project, id: string | undefined): Promise<ChatSession> {
    if (id === undefined) return this.sessions.save(this.sessions.create({ projectId: project.id }));
    const session = await this.sessions.findOneBy({ id, projectId: project.id });
    if (session === null) throw new NotFoundException('Session not found');
    return session;
  }

  private save(
    { sessionId }: Message,
    content: string,
    model: string,
    usage: OpenAI.CompletionUsage | null | undefined,
  ): Promise<Message> {
    return this.messages.save(
      this.messages.create({
        sessionId,
        role: 'assistant',
        content,
        model,
        inputTokens: usage?.prompt_tokens ?? null,
        outputTokens: usage?.completion_tokens ?? null,
      }),
    );
  }
}
