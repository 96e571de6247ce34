package org.lexvla.model;

import ai.djl.sentencepiece.SpProcessor;
import ai.djl.sentencepiece.SpTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.lexvla.lexical.Token;

/** {@code tokenizer.model}: encoded by SentencePiece itself, decoded by {@link SentencePieceModel}. */
final class SentencePieceTokenizer implements Tokenizer {
    private final SentencePieceModel model;
    private final SpTokenizer natives;
    private final SpProcessor processor;
    private final List<Token> tokens;
    private final int bos;
    private volatile boolean closed;

    private SentencePieceTokenizer(SentencePieceModel model, SpTokenizer natives, List<Token> tokens, int bos) {
        this.model = model;
        this.natives = natives;
        this.processor = natives.getProcessor();
        this.tokens = tokens;
        this.bos = bos;
    }

    static SentencePieceTokenizer open(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        SentencePieceModel model;
        try {
            // Ours first: it says what is wrong, and the native one is not to see a damaged file.
            model = SentencePieceModel.parse(bytes);
        } catch (IOException e) {
            throw new IOException("tokenizer " + file + " cannot be read: " + e.getMessage(), e);
        }
        List<Token> tokens = new ArrayList<>();
        Map<String, Integer> ids = new HashMap<>();
        for (SentencePieceModel.Piece piece : model.pieces()) {
            boolean meaningful = piece.type() == SentencePieceModel.Type.NORMAL
                    || piece.type() == SentencePieceModel.Type.USER_DEFINED;
            ids.put(piece.text(), tokens.size());
            tokens.add(new Token(tokens.size(), piece.text(), meaningful));
        }
        int bos = BeginToken.find(file.toAbsolutePath().getParent(), ids, tokens.size());
        try {
            return new SentencePieceTokenizer(model, new SpTokenizer(bytes), List.copyOf(tokens), bos);
        } catch (RuntimeException e) {
            throw new IOException("tokenizer " + file + " is not accepted by SentencePiece: " + e.getMessage(), e);
        }
    }

    @Override
    public int[] encode(String text) {
        check();
        return processor.encode(text);
    }

    @Override
    public String decode(int[] ids) {
        check();
        for (int id : ids) {
            checked(id, tokens.size());
        }
        return model.decode(ids);
    }

    static int checked(int id, int size) {
        if (id < 0 || id >= size) {
            throw new IllegalArgumentException("token id " + id + " is not in [0, " + size + ")");
        }
        return id;
    }

    private void check() {
        if (closed) {
            throw new IllegalStateException("tokenizer is closed");
        }
    }

    @Override
    public int bos() {
        return bos;
    }

    @Override
    public List<Token> tokens() {
        return tokens;
    }

    @Override
    public int size() {
        return tokens.size();
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            natives.close();
        }
    }
}
