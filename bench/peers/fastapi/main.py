"""The seed's own stack: FastAPI, SQLAlchemy's asyncio extension on asyncpg, httpx, PyJWT. One turn as a first project
writes it, and tuned as the documentation of each advises: uvloop and httptools, one pool, one client that keeps its
connections, selects by index, no expiry on commit, one commit for each of the two writes."""
import base64
import os
import uuid
from datetime import datetime, timezone

import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from sqlalchemy import Column, DateTime, ForeignKey, Integer, String, Text, func, select
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import declarative_base, sessionmaker

Base = declarative_base()


def uuid_key():
    return Column(UUID(as_uuid=True), primary_key=True, default=uuid.uuid4)


class User(Base):
    __tablename__ = "users"
    id = uuid_key()
    email = Column(String, unique=True, nullable=False)
    created_at = Column(DateTime(timezone=True), server_default=func.now())


class Project(Base):
    __tablename__ = "projects"
    id = uuid_key()
    user_id = Column(UUID(as_uuid=True), ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name = Column(String, nullable=False)
    created_at = Column(DateTime(timezone=True), server_default=func.now())


class Prompt(Base):
    __tablename__ = "prompts"
    id = uuid_key()
    project_id = Column(UUID(as_uuid=True), ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    content = Column(Text, nullable=False)
    position = Column(Integer, nullable=False)


class ChatSession(Base):
    __tablename__ = "chat_sessions"
    id = uuid_key()
    project_id = Column(UUID(as_uuid=True), ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    created_at = Column(DateTime(timezone=True), server_default=func.now())


class Message(Base):
    __tablename__ = "messages"
    id = uuid_key()
    session_id = Column(UUID(as_uuid=True), ForeignKey("chat_sessions.id", ondelete="CASCADE"), index=True)
    role = Column(String, nullable=False)
    content = Column(Text, nullable=False)
    created_at = Column(DateTime(timezone=True), default=lambda: datetime.now(timezone.utc), index=True)


POOL_SIZE = int(os.environ["DATABASE_POOL_SIZE"])
HISTORY = int(os.environ["HISTORY_MESSAGES"])
JWT_KEY = base64.b64decode(os.environ["JWT_KEY"])

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://", 1), pool_size=POOL_SIZE, max_overflow=0
)
new_session = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
model = httpx.AsyncClient(
    base_url=os.environ["OPENAI_BASE_URL"],
    headers={"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
    timeout=60,
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=200),
)

app = FastAPI()
bearer = HTTPBearer()


@app.on_event("startup")
async def create_tables():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


async def database():
    async with new_session() as session:
        yield session


async def current_user(
    credentials: HTTPAuthorizationCredentials = Depends(bearer), db: AsyncSession = Depends(database)
) -> User:
    try:
        claims = jwt.decode(
            credentials.credentials, JWT_KEY, algorithms=["HS256"], audience="parley-api", issuer="parley"
        )
    except jwt.PyJWTError:
        raise HTTPException(401, "Could not validate credentials")
    user = await db.get(User, uuid.UUID(claims["sub"]))
    if user is None:
        raise HTTPException(401, "Could not validate credentials")
    return user


class ChatRequest(BaseModel):
    project_id: uuid.UUID
    session_id: uuid.UUID | None = None
    message: str = Field(min_length=1, max_length=100_000)
    stream: bool = False


class MessageOut(BaseModel):
    id: uuid.UUID
    session_id: uuid.UUID
    role: str
    content: str
    status: str = "completed"
    created_at: datetime

    class Config:
        orm_mode = True


class ChatResponse(BaseModel):
    session_id: uuid.UUID
    user_message: MessageOut
    assistant_message: MessageOut


@app.get("/health/ready")
async def ready():
    return {"status": "ok"}


@app.post("/chat", response_model=ChatResponse)
async def chat(body: ChatRequest, user: User = Depends(current_user), db: AsyncSession = Depends(database)):
    project = (
        await db.execute(select(Project).where(Project.id == body.project_id, Project.user_id == user.id))
    ).scalar_one_or_none()
    if project is None:
        raise HTTPException(404, "Project not found")
    session = await find_or_create_session(db, project, body.session_id)
    prompts = (
        await db.execute(select(Prompt).where(Prompt.project_id == project.id).order_by(Prompt.position))
    ).scalars()
    history = (
        await db.execute(
            select(Message).where(Message.session_id == session.id).order_by(Message.created_at.desc()).limit(HISTORY)
        )
    ).scalars()
    messages = [{"role": "system", "content": prompt.content} for prompt in prompts]
    messages += [{"role": message.role, "content": message.content} for message in reversed(list(history))]
    messages.append({"role": "user", "content": body.message})
    question = Message(id=uuid.uuid4(), session_id=session.id, role="user", content=body.message)
    db.add(question)
    # Gives the connection back to the pool: it is not held while the model thinks.
    await db.commit()

    response = await model.post("/chat/completions", json={"model": os.environ["OPENAI_MODEL"], "messages": messages})
    response.raise_for_status()
    content = response.json()["choices"][0]["message"]["content"]
    answer = Message(id=uuid.uuid4(), session_id=session.id, role="assistant", content=content)
    db.add(answer)
    await db.commit()
    return ChatResponse(session_id=session.id, user_message=question, assistant_message=answer)


async def find_or_create_session(db: AsyncSession, project: Project, session_id: uuid.UUID | None) -> ChatSession:
    if session_id is None:
        session = ChatSession(id=uuid.uuid4(), project_id=project.id)
        db.add(session)
        await db.flush()
        return session
    session = (
        await db.execute(
            select(ChatSession).where(ChatSession.id == session_id, ChatSession.project_id == project.id)
        )
    ).scalar_one_or_none()
    if session is None:
        raise HTTPException(404, "Session not found")
    return session
